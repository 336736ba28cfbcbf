import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { openStoredRegistry } from '../../server/cli/stored-registry.ts';
import { collectGarbage } from '../../storage/gc/collect-garbage.ts';
import { garbagePolicy } from '../../storage/gc/garbage-policy.ts';
import { runBerth, runBerthIn } from '../support/berth-command.ts';
import { collectValues, patternBytes } from '../support/content.ts';
import { eventually } from '../support/eventually.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { freePort } from '../support/free-port.ts';
import { createRegistryClient, digestOf } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { startCeph } from '../support/s3/ceph-rgw.ts';
import { makeBucket, settingsFor, storageUrl, useCredentials } from '../support/s3/s3-server.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const BUCKET = 'registry';
const MIB = 1024 * 1024;

const server = await startCeph({ after });
useCredentials(server);
await makeBucket(server, BUCKET);

function storage(prefix: string, endpoint = server.endpoint): readonly string[] {
  return ['--storage', storageUrl(endpoint, BUCKET, prefix)];
}

test('an image is pushed, read in ranges, checked, collected; and found again without its catalog', async (t) => {
  const args = storage(randomUUID());
  const running = await startRegistry(t, { args });
  const registry = createRegistryClient(running.url);
  const image = await registry.pushImage('team/app', '1');
  const layer = patternBytes(20 * MIB, 1);
  const { digest } = await registry.pushBlob('team/app', layer);
  const part = await registry.send('GET', `/v2/team/app/blobs/${digest}`, {
    headers: { Range: 'bytes=9000000-9000099' },
  });
  assert.equal(part.status, 206);
  assert.ok(part.body.equals(layer.subarray(9_000_000, 9_000_100)));

  const command = async (name: string, ...more: string[]) => {
    const result = await runBerth(name, ...more, '--data', running.dataDir, ...args);
    assert.equal(result.exitCode, 0, result.stderr);
    return result.stdout;
  };
  assert.match(await command('fsck'), /4 blobs .*: clean\n$/);
  assert.match(await command('gc', '--grace', '0s'), /1 unused link, 1 blob, 0 leftover files/);
  assert.match(await command('fsck'), /3 blobs .*: clean\n$/);
  await running.stop();
  // The machine is lost: names lie beside the blobs.
  await rm(running.dataDir, { recursive: true });
  assert.match(
    await command('catalog', 'rebuild'),
    /names are taken from names\/.*\nrebuilt from 3 blobs: 1 manifests, 1 tags\n/,
  );
  await running.restart();
  const manifest = await registry.send('GET', '/v2/team/app/manifests/1');
  assert.ok(manifest.body.equals(image.bytes));
});

test('clients are sent to the storage when the rules say so, under the name that is public', async (t) => {
  const { port } = new URL(server.endpoint);
  const url = `${storageUrl(server.endpoint, BUCKET, randomUUID())}&publicEndpoint=http://localhost:${port}`;
  const args = ['--storage', url, '--redirect', 'agent:docker/*', '--redirect', '!network:10.0.0.0/8'];
  const running = await startRegistry(t, { args: [...args, '--trusted-proxy', '127.0.0.1'] });
  const registry = createRegistryClient(running.url);
  const content = patternBytes(9 * MIB, 2);
  const { digest } = await registry.pushBlob('team/app', content);
  const get = (headers: Record<string, string>) =>
    registry.send('GET', `/v2/team/app/blobs/${digest}`, { headers });

  assert.equal((await get({ 'User-Agent': 'skopeo/1.18' })).status, 200);
  const near = { 'User-Agent': 'docker/27.1', 'X-Forwarded-For': '10.1.2.3' };
  assert.equal((await get(near)).status, 200);
  const sent = await get({ 'User-Agent': 'docker/27.1', Range: 'bytes=5-9' });
  assert.equal(sent.status, 307);
  assert.equal(sent.headers['cache-control'], 'no-store');
  const location = new URL(sent.headers.location ?? '');
  assert.equal(location.host, `localhost:${port}`);
  const answer = await fetch(location, { headers: { Range: 'bytes=5-9' } });
  assert.equal(answer.status, 206);
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(content.subarray(5, 10)));
  assert.equal((await registry.send('HEAD', `/v2/team/app/blobs/${digest}`)).status, 200);
});

test('the gateway dies under a push: the push goes on; while it is away clients are told to come again', async (t) => {
  const running = await startRegistry(t, { args: storage(randomUUID()) });
  const registry = createRegistryClient(running.url);
  const { digest: small } = await registry.pushBlob('team/app', 'small');
  const blocks = Array.from({ length: 40 }, (_, number) => Buffer.alloc(MIB, `block ${number}`));
  const hash = createHash('sha256');
  for (const block of blocks) hash.update(block);
  async function* dying() {
    for (const [number, block] of blocks.entries()) {
      yield block;
      if (number !== 20) continue;
      await server.killGateway();
      void server.startGateway();
    }
  }
  const location = await registry.begin('team/app');
  const digest = `sha256:${hash.digest('hex')}`;
  const put = await registry.send('PUT', `${location}?digest=${digest}`, { body: Readable.from(dying()) });
  assert.equal(put.status, 201, put.body.toString());
  assert.equal(digestOf((await registry.send('GET', `/v2/team/app/blobs/${digest}`)).body), digest);

  await server.killGateway();
  const [read, begun] = await Promise.all([
    registry.send('GET', `/v2/team/app/blobs/${small}`),
    registry
      .begin('team/app')
      .then((path) => registry.send('PUT', `${path}?digest=${digestOf('more')}`, { body: 'more' })),
  ]);
  for (const answer of [read, begun]) {
    assert.equal(answer.status, 503);
    assert.ok(Number(answer.headers['retry-after']) > 0);
    assert.match(answer.body.toString(), /"code":"UNAVAILABLE"/);
  }
  await server.startGateway();
  assert.equal((await registry.send('GET', `/v2/team/app/blobs/${small}`)).body.toString(), 'small');
});

test('kill -9 between what S3 has and what the catalog knows: fsck is clean, and the leftovers are swept', async (t) => {
  const prefix = randomUUID();
  const proxy = await startFaultProxy(t, server.endpoint);
  const running = await startRegistry(t, { args: storage(prefix, proxy.url) });
  const registry = createRegistryClient(running.url);
  const image = await registry.pushImage('team/app', '1');
  for (const [number, size] of [100, 20 * MIB].entries()) {
    const content = patternBytes(size, 10 + number);
    let decided = false;
    proxy.setFaults(({ method, url }) => {
      if (method !== 'PUT' || !/\/[0-9a-z]+\.sha256-[0-9a-f]{64}\?/.test(url ?? '')) return undefined;
      decided = true;
      return { lateBy: 600_000 };
    });
    const location = await registry.begin('team/app');
    const push = registry
      .send('PUT', `${location}?digest=${digestOf(content)}`, { body: content })
      .catch(() => undefined);
    await eventually('S3 has been told of the blob', () => (decided ? true : undefined));
    await eventually('S3 has the blob', async () => {
      await using stored = await openStoredRegistry({
        data: running.dataDir,
        storage: settingsFor(server.endpoint, BUCKET, prefix, 8 * MIB),
      });
      const entries = await collectValues(stored.blobs.list());
      return entries.some(({ digest }) => digest === digestOf(content)) ? true : undefined;
    });
    await running.kill();
    await push;
    proxy.setFaults(() => undefined);
    await running.restart();
  }
  const checked = await runBerth('fsck', '--data', running.dataDir, ...storage(prefix));
  assert.equal(checked.exitCode, 0, checked.stdout);

  await using stored = await openStoredRegistry({
    data: running.dataDir,
    storage: settingsFor(server.endpoint, BUCKET, prefix, 8 * MIB),
  });
  await stored.database('uploads').delete();
  const policy = { ...garbagePolicy(0, false), orphanAgeMs: -60_000 };
  const before = proxy.requests.length;
  const report = await collectGarbage({ ...stored, policy });
  assert.equal(proxy.requests.length, before, 'the sweep goes to the server itself');
  assert.equal(report?.leftovers, 2);
  assert.equal((await collectValues(stored.blobs.listStored())).length, 3);
  for (const { digest } of [image.manifest.config, ...image.manifest.layers]) {
    assert.equal((await registry.send('GET', `/v2/team/app/blobs/${digest}`)).status, 200);
  }
});

test('what cannot be used is told at the start in one sentence', async (t) => {
  const start = async (url: string, env: Record<string, string> = {}) => {
    const data = await makeTempDir(t, 'data');
    return runBerthIn(env, 'serve', '--listen', '127.0.0.1:0', '--data', data, '--storage', url);
  };
  const url = (bucket: string, endpoint = server.endpoint) => storageUrl(endpoint, bucket, 'p');
  const closed = `http://127.0.0.1:${await freePort()}`;
  const cases = [
    [start(url('nothere')), /PutObject in the bucket nothere .* failed: there is no such bucket: create it/],
    [
      start(url(BUCKET), { AWS_SECRET_ACCESS_KEY: 'wrong' }),
      /SignatureDoesNotMatch: the secret key is wrong/,
    ],
    [start(url(BUCKET), { AWS_ACCESS_KEY_ID: 'nobody' }), /InvalidAccessKeyId: .* check AWS_ACCESS_KEY_ID/],
    [start(url(BUCKET, closed)), /cannot be reached \(ECONNREFUSED\): check the endpoint/],
    [start('s3://key:secret@bucket'), /--storage cannot be used: it contains credentials/],
  ] as const;
  for (const [starting, expected] of cases) {
    const { exitCode, stderr } = await starting;
    assert.equal(exitCode, 2, stderr);
    assert.match(stderr, expected);
    assert.equal(stderr.trim().split('\n').length, 1);
  }
});
