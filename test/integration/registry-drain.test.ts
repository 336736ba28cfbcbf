import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { sendRequest } from '../support/http-client.ts';
import { connectRaw, type RawConnection } from '../support/raw-connection.ts';
import { createRegistryClient, digestOf } from '../support/registry-client.ts';
import { type RegistryProcess, startRegistry } from '../support/registry-process.ts';

/** Nanoseconds, less than the time for which the server waits. */
const HELD_UP = 100_000_000;

/** A registry with an upload that runs: the server has asked for its body. */
async function withRunningUpload(
  t: TestContext,
): Promise<{ server: RegistryProcess; location: string; upload: RawConnection }> {
  const server = await startRegistry(t);
  const location = await createRegistryClient(server.url).begin('team/app');
  const upload = await connectRaw(t, Number(new URL(server.url).port));
  upload.write(`PATCH ${location} HTTP/1.1\r\nHost: r\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n`);
  await upload.waitFor(/100 Continue/);
  upload.write('01234');
  return { server, location, upload };
}

function refused(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const probe = connect({ host: '127.0.0.1', port });
    probe.once('connect', () => {
      probe.destroy();
      resolve(undefined);
    });
    probe.once('error', () => resolve(true));
  });
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} during an upload: it finishes, new connections are refused, exit code 0`, async (t) => {
    const { server, location, upload } = await withRunningUpload(t);
    const port = Number(new URL(server.url).port);
    const idle = await connectRaw(t, port);
    idle.write('GET /v2/ HTTP/1.1\r\nHost: r\r\n\r\n');
    await idle.waitFor(/HTTP\/1\.1 200 /);

    process.kill(server.process().pid, signal);
    await eventually('new connections are refused', () => refused(port));
    await idle.closed();
    upload.write('56789');
    await upload.waitFor(/HTTP\/1\.1 202 /);
    await upload.closed();
    assert.match(upload.received(), /\r\nConnection: close\r\n/i);
    assert.deepEqual(await server.process().exited, { code: 0, signal: null });
    // SQLite removes its journal when the last one who uses the database closes it.
    const left = await readdir(server.dataDir);
    assert.ok(left.includes('catalog.sqlite') && !left.includes('catalog.sqlite-wal'), left.join());

    await server.restart();
    const registry = createRegistryClient(server.url);
    const put = await registry.send('PUT', `${location}?digest=${digestOf('0123456789')}`);
    assert.equal(put.status, 201, put.body.toString());
  });
}

test('a request that begins when what is idle has been closed is refused with 503, and may be tried again', async (t) => {
  const { server, upload } = await withRunningUpload(t);
  const port = Number(new URL(server.url).port);
  const [late, idle] = [await connectRaw(t, port), await connectRaw(t, port)];
  idle.write('GET /v2/ HTTP/1.1\r\nHost: r\r\n\r\n');
  await idle.waitFor(/HTTP\/1\.1 200 /);
  // The headers of the second request are half sent when the server is told to stop: the connection is neither
  // idle nor at work. They travel with the first request, so they have arrived when that is answered.
  late.write('GET /v2/ HTTP/1.1\r\nHost: r\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: r\r\n');
  await late.waitFor(/HTTP\/1\.1 200 /);
  process.kill(server.process().pid, 'SIGTERM');
  await idle.closed();
  late.write('\r\n');
  await late.waitFor(/HTTP\/1\.1 503 [\s\S]*"code":"UNAVAILABLE"/);
  assert.match(late.received(), /\r\nRetry-After: \d+\r\n/);
  await late.closed();
  upload.write('56789');
  await upload.waitFor(/HTTP\/1\.1 202 /);
  assert.equal((await server.process().exited).code, 0);
});

test('clients that send one request after another over their connections lose none to a stop', async (t) => {
  const server = await startRegistry(t);
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  let answers = 0;
  const client = async () => {
    for (;;) {
      const answer = await sendRequest(`${server.url}/v2/team/app/blobs/uploads/`, {
        method: 'POST',
        agent,
      }).catch((error: NodeJS.ErrnoException) => error.code ?? String(error));
      if (typeof answer === 'string') return answer;
      assert.equal(answer.status, 202);
      answers += 1;
    }
  };
  const clients = Promise.all(Array.from({ length: 8 }, client));
  await eventually('all are at work', () => (answers > 100 ? true : undefined));
  const delays = monitorEventLoopDelay({ resolution: 5 });
  delays.enable();
  await server.stop();
  const outcomes = new Set(await clients);
  delays.disable();
  // What has a connection is waited for, but not for ever: clients that were held up for longer find it closed.
  if (delays.max > HELD_UP) for (const code of ['ECONNRESET', 'EPIPE']) outcomes.delete(code);
  assert.deepEqual(outcomes, new Set(['ECONNREFUSED']));
});

test('a second signal ends it at once; the upload can go on afterwards', async (t) => {
  const { server, location } = await withRunningUpload(t);
  const port = Number(new URL(server.url).port);
  // A large blob is sent by a thread of its own, which must not keep the process.
  const before = createRegistryClient(server.url);
  const { digest } = await before.pushBlob('team/large', Buffer.alloc(1_000_000));
  assert.equal((await before.send('GET', `/v2/team/large/blobs/${digest}`)).body.length, 1_000_000);
  process.kill(server.process().pid, 'SIGTERM');
  await eventually('new connections are refused', () => refused(port));
  process.kill(server.process().pid, 'SIGTERM');
  assert.deepEqual(await server.process().exited, { code: 143, signal: null });
  await server.restart();
  const registry = createRegistryClient(server.url);
  assert.equal((await registry.send('GET', location)).status, 204);
  const put = await registry.send('PUT', `${location}?digest=${digestOf('0123456789')}`, {
    body: '0123456789',
  });
  assert.equal(put.status, 201, put.body.toString());
});
