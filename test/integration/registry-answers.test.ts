import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openStoredRegistry } from '../../server/cli/stored-registry.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { openSqliteCatalog } from '../../storage/catalog/knex-catalog.ts';
import { collectGarbage } from '../../storage/gc/collect-garbage.ts';
import { garbagePolicy } from '../../storage/gc/garbage-policy.ts';
import { openTestAuthStore } from '../support/auth-store.ts';
import { defer } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { hashPassword } from '../support/hash-password.ts';
import type { HttpAnswer } from '../support/http-client.ts';
import { type InProcessRegistry, startInProcessRegistry } from '../support/in-process-registry.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { createRegistryClient, OCI_INDEX, OCI_MANIFEST } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';

const HITS = 'berth_answer_cache_hits_total';
const MANIFEST = '/v2/team/app/manifests/1';

/** The answer to a request that was asked before, and must come out of memory now. */
async function fromMemory(registry: InProcessRegistry, ask: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  await ask();
  const before = await registry.metric(HITS);
  const answer = await ask();
  assert.equal(await registry.metric(HITS), before + 1, 'the answer did not come out of memory');
  return answer;
}

function comparable({ status, headers, body }: HttpAnswer) {
  const { date: _date, 'x-request-id': _id, ...others } = headers;
  return { status, headers: others, body: body.toString('latin1') };
}

for (const path of [MANIFEST, '/v2/team/app/tags/list', '/v2/team/app/tags/list?n=1']) {
  test(`out of memory ${path} is answered as before`, async (t) => {
    const registry = await startInProcessRegistry(t);
    await registry.pushImage('team/app', '1');
    await registry.pushImage('team/app', '2');
    const first = await registry.send('GET', path);
    assert.equal(first.status, 200);
    const again = await fromMemory(registry, () => registry.send('GET', path));
    assert.deepEqual(comparable(again), comparable(first));
  });
}

test('HEAD and If-None-Match out of memory; each is asked before GET has been', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest, bytes } = await registry.pushImage('team/app', '1');
  const head = await fromMemory(registry, () => registry.send('HEAD', MANIFEST));
  assert.equal(head.status, 200);
  assert.equal(head.body.length, 0);
  assert.equal(head.headers['content-length'], String(bytes.length));
  assert.equal(head.headers['docker-content-digest'], digest);
  assert.equal(head.headers['docker-distribution-api-version'], 'registry/2.0');
  const get = await fromMemory(registry, () => registry.send('GET', MANIFEST));
  assert.deepEqual(get.body, bytes);
  for (const method of ['GET', 'HEAD']) {
    const headers = { 'If-None-Match': `"${digest}"` };
    const unchanged = await fromMemory(registry, () => registry.send(method, MANIFEST, { headers }));
    assert.equal(unchanged.status, 304);
    assert.equal(unchanged.body.length, 0);
    assert.equal(unchanged.headers.etag, `"${digest}"`);
  }
});

test('bytes that are no ASCII come out of memory unharmed', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { manifest } = await registry.pushImage('team/app', '0');
  const body = JSON.stringify({ ...manifest, annotations: { 'org.example': 'Grüße 🚢 \u0000' } });
  await registry.send('PUT', MANIFEST, { body, headers: { 'Content-Type': OCI_MANIFEST } });
  const answer = await fromMemory(registry, () => registry.send('GET', MANIFEST));
  assert.equal(answer.body.toString(), body);
});

test('a change is seen by the next request, whether this process or another one makes it', async (t) => {
  const registry = await startInProcessRegistry(t);
  const ask = () => registry.send('GET', MANIFEST);
  await registry.pushImage('team/app', '1');
  await fromMemory(registry, ask);

  const second = await registry.pushImage('team/app', '2');
  const options = { body: second.bytes, headers: { 'Content-Type': OCI_MANIFEST } };
  await registry.send('PUT', MANIFEST, options);
  assert.deepEqual((await ask()).body, second.bytes);
  await fromMemory(registry, ask);

  const other = await openSqliteCatalog({ file: join(registry.data, 'catalog.sqlite') });
  defer(t, () => other.close());
  await other.tags.delete('team/app', '1');
  expectError(await ask(), 404, 'MANIFEST_UNKNOWN');
  assert.deepEqual(JSON.parse((await registry.send('GET', '/v2/team/app/tags/list')).body.toString()).tags, [
    '2',
  ]);
});

/** Makes the grace period of everything one that began long ago, and tells which ones began anew since. */
async function graceOf(t: TestContext, registry: InProcessRegistry) {
  const database = await openDatabase({ file: join(registry.data, 'catalog.sqlite') });
  defer(t, () => database.destroy());
  return {
    age: () => database('blob_links').update({ touched_at: 1 }),
    renewed: (): Promise<string[]> => database('blob_links').where('touched_at', '>', 1).pluck('digest'),
  };
}

for (const method of ['GET', 'HEAD']) {
  test(`whoever may push has a manifest renewed by ${method}, also when it is in memory`, async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const registry = await startInProcessRegistry(t);
    const { digest } = await registry.pushImage('team/app', '1');
    const grace = await graceOf(t, registry);
    for (const reference of ['1', digest]) {
      const ask = () => registry.send(method, `/v2/team/app/manifests/${reference}`);
      t.mock.timers.tick(61_000);
      await grace.age();
      assert.equal((await ask()).status, 200);
      assert.deepEqual(await grace.renewed(), [digest]);
      await grace.age();
      assert.equal((await fromMemory(registry, ask)).status, 200);
      assert.deepEqual(await grace.renewed(), [], 'within a minute nothing is written');
      t.mock.timers.tick(60_000);
      assert.equal((await ask()).status, 200);
      assert.deepEqual(await grace.renewed(), [digest]);
      await fromMemory(registry, ask);
    }
  });
}

test('a member that a pusher has looked at is there when its index is pushed, whatever is swept', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  const registry = await startInProcessRegistry(t);
  const { digest, bytes, manifest } = await registry.pushImage('team/app', '1');
  const member = { mediaType: OCI_MANIFEST, digest, size: bytes.length };
  await registry.send('DELETE', '/v2/team/app/manifests/1');
  const path = `/v2/team/app/manifests/${digest}`;
  const store = await openStoredRegistry({ data: registry.data });
  defer(t, async () => {
    await store[Symbol.asyncDispose]();
  });
  const sweep = () => collectGarbage({ ...store, policy: garbagePolicy(60 * 60_000, true) });
  await registry.send('GET', path);
  t.mock.timers.tick(59 * 60_000);
  // Out of memory first, if it could be.
  for (const method of ['HEAD', 'GET']) assert.equal((await registry.send(method, path)).status, 200);
  t.mock.timers.tick(57 * 60_000);
  assert.equal((await sweep())?.manifests, 0);
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [member] };
  await registry.pushManifest('team/app', 'all', index, OCI_INDEX);
  t.mock.timers.tick(9 * 60 * 60_000);
  assert.equal((await sweep())?.manifests, 0);
  assert.deepEqual((await registry.send('GET', path)).body, bytes);
  const layer = manifest.layers[0]?.digest;
  assert.equal((await registry.send('GET', `/v2/team/app/blobs/${layer}`)).status, 200);
});

test('while blobs are pushed answers stay in memory', async (t) => {
  const registry = await startInProcessRegistry(t);
  await registry.pushImage('team/app', '1');
  const ask = () => registry.send('GET', MANIFEST);
  await fromMemory(registry, ask);
  const before = await registry.metric(HITS);
  await registry.pushBlob('team/app', 'another blob');
  await ask();
  assert.equal(await registry.metric(HITS), before + 1);
});

async function withAccounts(t: TestContext) {
  const registry = await startInProcessRegistry(t, { auth: 'accounts', adminPassword: 'a password' });
  const admin = createRegistryClient(registry.url, { name: 'admin', password: 'a password' });
  await admin.pushImage('team/app', '1');
  return { registry, admin };
}

test('out of memory only those are answered who may have it', async (t) => {
  const { registry, admin } = await withAccounts(t);
  const answer = await fromMemory(registry, () => admin.send('GET', MANIFEST));
  assert.equal(answer.status, 200);
  expectError(await registry.send('GET', MANIFEST), 401, 'UNAUTHORIZED');
  const wrong = createRegistryClient(registry.url, { name: 'admin', password: 'another' });
  expectError(await wrong.send('GET', MANIFEST), 401, 'UNAUTHORIZED');
});

test('a password that another process changes is wrong at once', async (t) => {
  const { registry, admin } = await withAccounts(t);
  await fromMemory(registry, () => admin.send('GET', MANIFEST));
  const { accounts } = await openTestAuthStore(t, join(registry.data, 'catalog.sqlite'));
  await accounts.update('admin', { passwordHash: await hashPassword('a new password') });
  expectError(await admin.send('GET', MANIFEST), 401, 'UNAUTHORIZED');
});

test('a connection goes on after every kind of answer out of memory', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest, bytes } = await registry.pushImage('team/app', '1');
  await fromMemory(registry, () => registry.send('GET', MANIFEST));
  const connection = await connectRaw(t, registry.port);
  // All at once: the answers come in order.
  const requests = [
    `GET ${MANIFEST} HTTP/1.1\r\nHost: r\r\n\r\n`,
    `HEAD ${MANIFEST} HTTP/1.1\r\nHost: r\r\n\r\n`,
    `GET ${MANIFEST} HTTP/1.1\r\nHost: r\r\nIf-None-Match: "${digest}"\r\n\r\n`,
    `GET ${MANIFEST} HTTP/1.1\r\nHost: r\r\nContent-Length: 3\r\n\r\nabc`,
    `GET ${MANIFEST} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n`,
  ];
  connection.write(requests.join(''));
  await connection.closed();
  const received = connection.received();
  assert.deepEqual(received.match(/HTTP\/1\.1 \d{3}/g), [
    'HTTP/1.1 200',
    'HTTP/1.1 200',
    'HTTP/1.1 304',
    'HTTP/1.1 200',
    'HTTP/1.1 200',
  ]);
  assert.equal(received.split(bytes.toString()).length - 1, 3);
});

test('of many alike requests few are logged, and all are counted', async (t) => {
  const registry = await startInProcessRegistry(t);
  await registry.pushImage('team/app', '1');
  // So many are logged in each second: that all come in one depends on no machine.
  const now = performance.now();
  t.mock.method(performance, 'now', () => now);
  const before = registry.logged.length;
  const count = 1000;
  const connection = await connectRaw(t, registry.port);
  connection.write(`GET ${MANIFEST} HTTP/1.1\r\nHost: r\r\n\r\n`.repeat(count));
  connection.write('GET /v2/ HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n');
  await connection.closed();
  const route = 'method="GET",route="/v2/*name/manifests/:reference",status="200"';
  assert.equal(await registry.metric(`berth_http_requests_total{${route}}`), count);
  const lines = registry.logged.slice(before).map((line) => JSON.parse(line));
  const unlogged = lines.reduce((sum, line) => sum + (line.unlogged ?? 0), 0);
  assert.equal(lines.length < count, true, `${lines.length} lines`);
  assert.equal(lines.length + unlogged <= count + 1, true);
  assert.equal(lines.length + unlogged > count - 100, true, `${lines.length} lines count ${unlogged} others`);
});

test('healthz and readyz need no password; readyz refuses while the server drains', async (t) => {
  const { registry, admin } = await withAccounts(t);
  for (const [path, status] of [
    ['/healthz', 'ok'],
    ['/readyz', 'ready'],
  ] as const) {
    const answer = await registry.send('GET', path);
    assert.equal(answer.status, 200);
    assert.deepEqual(JSON.parse(answer.body.toString()), { status });
  }
  const location = await admin.begin('team/app');
  const authorization = `Basic ${Buffer.from('admin:a password').toString('base64')}`;
  const upload = await connectRaw(t, registry.port);
  const probe = await connectRaw(t, registry.port);
  upload.write(
    `PATCH ${location} HTTP/1.1\r\nHost: r\r\nAuthorization: ${authorization}\r\nContent-Length: 2\r\n\r\na`,
  );
  probe.write('GET /healthz HTTP/1.1\r\nHost: r\r\n\r\n');
  await probe.waitFor(/HTTP\/1\.1 200 [\s\S]*\{"status":"ok"\}/);
  probe.write('GET /readyz HTTP/1.1\r\nHost: r\r\n');
  await eventually('both requests have begun', async () =>
    (await registry.metric('berth_http_requests_running')) >= 1 ? true : undefined,
  );
  const stopped = registry.stop(10_000);
  probe.write('\r\n');
  await probe.waitFor(/HTTP\/1\.1 503 [\s\S]*\{"status":"not ready"\}/);
  upload.write('b');
  assert.equal(await stopped, true);
});
