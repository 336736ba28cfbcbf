import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import { openStoredRegistry } from '../../server/cli/stored-registry.ts';
import { loadConfig } from '../../server/config/config.ts';
import { checkStore } from '../../storage/fsck/check-store.ts';
import type { Finding } from '../../storage/fsck/findings.ts';
import { collectGarbage } from '../../storage/gc/collect-garbage.ts';
import { type CommitBoundary, startCommitProxy } from '../support/commit-proxy.ts';
import { patternBytes } from '../support/content.ts';
import { eventually } from '../support/eventually.ts';
import type { HttpAnswer } from '../support/http-client.ts';
import { startPostgres } from '../support/postgres.ts';
import { connectRaw } from '../support/raw-connection.ts';
import {
  createRegistryClient,
  digestOf,
  OCI_MANIFEST,
  type RegistryClient,
} from '../support/registry-client.ts';
import type { RegistryProcess } from '../support/registry-process.ts';
import { startReplicas } from '../support/replicas.ts';
import { startCeph } from '../support/s3/ceph-rgw.ts';
import { makeBucket, storageUrl, useCredentials } from '../support/s3/s3-server.ts';
import { untilPasses } from '../support/until-passes.ts';

const MIB = 1024 * 1024;
const octets = { 'Content-Type': 'application/octet-stream' };

const s3 = await startCeph({ after });
useCredentials(s3);
await makeBucket(s3, 'replicas');
const storage = `${storageUrl(s3.endpoint, 'replicas', 'registry')}&partSize=5MiB`;
const direct = await startPostgres({ after });
const commits = await startCommitProxy({ after }, await direct.createDatabase());
const postgres = { ...direct, createDatabase: async () => commits.through(await direct.createDatabase()) };
const args = ['--gc-interval', 'off', '--log-level', 'error'];
const replicas = await startReplicas({ after }, { postgres, storage, args });
const [first, second, third] = [0, 1, 2].map((index): RegistryClient => {
  return createRegistryClient(replicas.servers[index]?.url ?? '');
}) as [RegistryClient, RegistryClient, RegistryClient];
const [server] = replicas.servers as [RegistryProcess];

// Also of a test that failed: those after it have the same servers.
afterEach(async () => {
  if (server.process().exit() !== undefined) await untilPasses(() => server.restart());
});

test('while one replica takes a chunk, another refuses to write to the upload, and nothing is lost', async (t) => {
  const content = patternBytes(30 * MIB, 1);
  const location = await first.begin('team/app');
  const begun = await third.send('PATCH', location, { body: content.subarray(0, 12 * MIB), headers: octets });
  assert.equal(begun.status, 202);
  const slow = await connectRaw(t, Number(new URL(server.url).port));
  slow.write(
    `PATCH ${location} HTTP/1.1\r\nHost: r\r\nExpect: 100-continue\r\nContent-Length: ${12 * MIB}\r\n\r\n`,
  );
  await slow.waitFor(/100 Continue/);
  slow.write(content.subarray(12 * MIB, 20 * MIB));
  const other = { body: patternBytes(9 * MIB, 2), headers: octets };
  for (const replica of [second, third, second]) {
    const refused = await replica.send('PATCH', location, other);
    assert.equal(refused.status, 409, refused.body.toString());
  }
  const early = await third.send('PUT', `${location}?digest=${digestOf(other.body)}`, other);
  assert.equal(early.status, 409, early.body.toString());
  slow.write(content.subarray(20 * MIB, 24 * MIB));
  await slow.waitFor(/HTTP\/1\.1 202 /);
  const last = { body: content.subarray(24 * MIB), headers: octets };
  const put = await second.send('PUT', `${location}?digest=${digestOf(content)}`, last);
  assert.equal(put.status, 201, put.body.toString());
  const got = await third.send('GET', `/v2/team/app/blobs/${digestOf(content)}`);
  assert.ok(got.body.equals(content));
});

test('a replica that dies with an upload in its hands lets go of it', async (t) => {
  const content = patternBytes(12 * MIB, 3);
  const location = await first.begin('team/app');
  const slow = await connectRaw(t, Number(new URL(server.url).port));
  slow.write(`PATCH ${location} HTTP/1.1\r\nHost: r\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n`);
  await slow.waitFor(/100 Continue/);
  assert.equal((await second.send('PATCH', location, { body: 'x', headers: octets })).status, 409);
  await server.kill();
  const put = await onceLetGo(() =>
    second.send('PUT', `${location}?digest=${digestOf(content)}`, { body: content, headers: octets }),
  );
  assert.equal(put.status, 201, put.body.toString());
});

for (const size of [100, 12 * MIB]) {
  const content = (seed: number) => patternBytes(size, size + seed);

  test(`kill -9 between PATCH and PUT of ${size} bytes: another replica ends the upload`, async () => {
    const bytes = content(1);
    const location = await second.begin('team/app');
    assert.equal((await first.send('PATCH', location, { body: bytes, headers: octets })).status, 202);
    await server.kill();
    const put = await second.send('PUT', `${location}?digest=${digestOf(bytes)}`);
    assert.equal(put.status, 201, put.body.toString());
    await isWhole(bytes);
  });

  for (const boundary of ['before the commit', 'after the commit'] as const) {
    test(`kill -9 ${boundary} of ${size} bytes: what S3 has is not lost, and the push is ended by another`, async () => {
      const bytes = content(boundary.length);
      const digest = digestOf(bytes);
      const location = await second.begin('team/app');
      await dieAt(boundary, /insert into "?blobs"?/i, () =>
        first.send('PUT', `${location}?digest=${digest}`, { body: bytes, headers: octets }),
      );
      if (boundary === 'after the commit') await isWhole(bytes);
      else assert.equal((await third.send('GET', `/v2/team/app/blobs/${digest}`)).status, 404);
      assert.deepEqual(await findings(), []);
      // The client knows nothing, and asks again.
      const again = await onceLetGo(() =>
        third.send('PUT', `${location}?digest=${digest}`, { body: bytes, headers: octets }),
      );
      assert.equal(again.status, 201, again.body.toString());
      await isWhole(bytes);
    });
  }
}

test('kill -9 before and after the commit of a manifest: it is there, or it is not', async () => {
  for (const boundary of ['before the commit', 'after the commit'] as const) {
    const tag = boundary.slice(0, boundary.indexOf(' '));
    const { manifest } = await second.pushImage('team/app', `beside-${tag}`);
    const path = `/v2/team/app/manifests/${tag}`;
    const push = { body: `${JSON.stringify(manifest)}\n`, headers: { 'Content-Type': OCI_MANIFEST } };
    await dieAt(boundary, /insert into "?tags"?/i, () => first.send('PUT', path, push));
    const found = await third.send('GET', path, { headers: { Accept: OCI_MANIFEST } });
    assert.equal(found.status, boundary === 'after the commit' ? 200 : 404);
    assert.deepEqual(await findings(), []);
    assert.equal((await second.send('PUT', path, push)).status, 201);
    await server.restart();
  }
});

test('when all is deleted nothing of what was killed stays', async () => {
  const { body } = await second.send('GET', '/v2/team/app/tags/list');
  for (const tag of JSON.parse(body.toString()).tags) {
    const path = '/v2/team/app/manifests';
    const { headers } = await second.send('HEAD', `${path}/${tag}`, { headers: { Accept: OCI_MANIFEST } });
    await second.send('DELETE', `${path}/${headers['docker-content-digest']}`);
  }
  await using registry = await openStoredRegistry(config());
  const policy = { graceMs: 0, untagged: true, orphanAgeMs: -1, historyMs: 0, idleUploadMs: -1 };
  await eventually('a sweep has run', () => collectGarbage({ ...registry, policy }));
  assert.deepEqual(await Array.fromAsync(registry.blobs.listStored()), []);
});

/** The answer to who writes to an upload of a replica that was killed: the database takes a moment to notice. */
function onceLetGo(write: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  return eventually('the next one may write', async () => {
    const answer = await write();
    return answer.status === 409 ? undefined : answer;
  });
}

/** Has the first replica killed while its transaction with such a statement stands at a boundary. */
async function dieAt(
  boundary: CommitBoundary,
  statement: RegExp,
  push: () => Promise<unknown>,
): Promise<void> {
  const reached = commits.stopNext(statement, boundary);
  const answer = push().then(
    (given) => given,
    () => undefined,
  );
  await Promise.race([
    reached,
    answer.then((given) => assert.fail(`it was answered: ${JSON.stringify(given)}`)),
  ]);
  await server.kill();
  commits.breakOff();
  assert.equal(await answer, undefined);
}

async function isWhole(bytes: Buffer): Promise<void> {
  for (const replica of [second, third]) {
    const got = await replica.send('GET', `/v2/team/app/blobs/${digestOf(bytes)}`);
    assert.ok(got.body.equals(bytes));
  }
}

function config() {
  const env = { BERTH_DATABASE: replicas.database, BERTH_STORAGE: storage };
  return loadConfig({ flags: { data: replicas.dataDir }, env, isRoot: false });
}

async function findings(): Promise<readonly Finding[]> {
  await using registry = await openStoredRegistry(config());
  const found: Finding[] = [];
  await checkStore({ ...registry, repair: false, onFinding: (finding) => found.push(finding) });
  return found;
}
