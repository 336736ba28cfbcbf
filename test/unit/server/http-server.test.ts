import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ConnectionGate } from '../../../server/http/connection-limits.ts';
import { HttpServer } from '../../../server/http/http-server.ts';
import { defer } from '../../support/cleanup.ts';
import { connectRaw } from '../../support/raw-connection.ts';

const STALLED_MS = 250;
/** Longer than this process is ever held up. */
const PATIENT_MS = 60_000;

async function listen(
  t: TestContext,
  handle: (req: IncomingMessage, res: ServerResponse) => void,
  stalledTimeoutMs = STALLED_MS,
  gate?: ConnectionGate,
) {
  const server = new HttpServer({
    handle,
    ...(gate && { gate }),
    malformedAnswer: (error) => `refused: ${error.code}`,
    stalledTimeoutMs,
    headersTimeoutMs: 4 * STALLED_MS,
  });
  const port = await server.listen('127.0.0.1', 0);
  defer(t, async () => {
    await server.drain(0);
  });
  return { server, connect: () => connectRaw(t, port) };
}

test('a client that owes the rest of its body is cut off', async (t) => {
  const { connect } = await listen(t, (req) => req.resume());
  const connection = await connect();
  connection.write('PUT / HTTP/1.1\r\nHost: r\r\nContent-Length: 10\r\n\r\n01234');
  await connection.closed();
  assert.equal(connection.received(), '');
});

test('a client that sends its headers a byte at a time is refused, and others are served meanwhile', async (t) => {
  const { connect } = await listen(t, (_req, res) => res.end('served'), PATIENT_MS);
  const slow = await connect();
  const drip = setInterval(() => slow.write('a'), STALLED_MS / 5);
  t.after(() => clearInterval(drip));
  slow.write('GET / HTTP/1.1\r\nHost: r\r\nX-Slow: ');
  const other = await connect();
  other.write('GET / HTTP/1.1\r\nHost: r\r\n\r\n');
  await other.waitFor(/served$/);
  await slow.closed();
  assert.match(slow.received(), /^refused: ERR_HTTP_REQUEST_TIMEOUT/);
});

test('a client that does not take its answer is cut off', async (t) => {
  const cut = Promise.withResolvers<void>();
  const { connect } = await listen(t, (_req, res) => {
    res.once('close', () => cut.resolve());
    res.end(Buffer.alloc(64 * 1024 * 1024));
  });
  const connection = await connect();
  connection.socket.pause();
  connection.write('GET / HTTP/1.1\r\nHost: r\r\n\r\n');
  await cut.promise;
  connection.socket.resume();
  await connection.closed();
  assert.ok(connection.received().length < 64 * 1024 * 1024);
});

test('a request on which the server works is left in peace, however long it takes', async (t) => {
  const stalled = 4 * STALLED_MS;
  const { connect } = await listen(
    t,
    (req, res) => {
      req.resume();
      setTimeout(() => res.end('worked'), 3 * stalled);
    },
    stalled,
  );
  const connection = await connect();
  connection.write('PUT / HTTP/1.1\r\nHost: r\r\nContent-Length: 2\r\n\r\nok');
  await connection.waitFor(/worked$/);
});

test('draining answers whether all could finish, and cuts what could not', async (t) => {
  const begun = Promise.withResolvers<ServerResponse>();
  const { server, connect } = await listen(t, (_req, res) => begun.resolve(res), PATIENT_MS);
  const connection = await connect();
  connection.write('GET / HTTP/1.1\r\nHost: r\r\n\r\n');
  await begun.promise;
  assert.equal(await server.drain(50), false);
  await connection.closed();
  assert.equal(connection.received(), '');
});

test('draining waits for every running request', async (t) => {
  const responses: ServerResponse[] = [];
  const begun = Promise.withResolvers<void>();
  const { server, connect } = await listen(
    t,
    (_req, res) => {
      responses.push(res);
      if (responses.length === 2) begun.resolve();
    },
    PATIENT_MS,
  );
  const connections = [await connect(), await connect()];
  for (const connection of connections) connection.write('GET / HTTP/1.1\r\nHost: r\r\n\r\n');
  await begun.promise;
  const drained = server.drain(20_000);
  assert.equal(server.leaving, true);
  for (const [index, res] of responses.entries()) {
    res.end(`finished ${index}`);
    // The first to finish has closed before the second one goes on.
    await once(res, 'close');
  }
  assert.equal(await drained, true);
  for (const connection of connections) await connection.closed();
  const received = connections.map((connection) => connection.received().slice(-10));
  assert.deepEqual(received.sort(), ['finished 0', 'finished 1']);
});

test('a request that comes over an open connection just after the server began to drain is answered', async (t) => {
  const { server, connect } = await listen(t, (_req, res) => res.end('served'), PATIENT_MS);
  const [used, fresh, idle] = [await connect(), await connect(), await connect()];
  for (const connection of [used, idle]) {
    connection.write('GET / HTTP/1.1\r\nHost: r\r\n\r\n');
    await connection.waitFor(/served$/);
    assert.doesNotMatch(connection.received(), /Connection: close/);
  }
  const drained = server.drain(20_000);
  for (const connection of [used, fresh]) connection.write('GET / HTTP/1.1\r\nHost: r\r\n\r\n');
  for (const connection of [used, fresh]) {
    await connection.waitFor(/Connection: close\r\n[\s\S]*served$/);
    await connection.closed();
  }
  await idle.closed();
  assert.equal(await drained, true);
});

test('the time in which a server that drains was held up itself is none that its clients had', async (t) => {
  const { server, connect } = await listen(t, (_req, res) => res.end('served'), PATIENT_MS);
  const connection = await connect();
  const drained = server.drain(60_000);
  await turn();
  await turn();
  for (const end = performance.now() + 500; performance.now() < end; );
  // By now it knows that the time is over.
  await turn();
  await turn();
  connection.write('GET / HTTP/1.1\r\nHost: r\r\n\r\n');
  await connection.waitFor(/Connection: close\r\n[\s\S]*served$/);
  assert.equal(await drained, true);
});

test('idle connections beyond the limit go, and whoever has a request keeps its connection', async (t) => {
  const held: ServerResponse[] = [];
  const gate = new ConnectionGate({ total: 3, perAddress: 3, beforeLogin: 3 }, () => true);
  const { connect } = await listen(t, (_req, res) => held.push(res), PATIENT_MS, gate);
  const busy = await connect();
  busy.write('GET / HTTP/1.1\r\nHost: r\r\n\r\n');
  const idle = [await connect(), await connect()];
  while (held.length === 0 || gate.count < 3) await turn();
  await connect();
  await idle[0]?.closed();
  await connect();
  await idle[1]?.closed();
  held[0]?.end('served');
  await busy.waitFor(/served/);
});

test('where every connection has a request the next one is told so', async (t) => {
  const gate = new ConnectionGate({ total: 1, perAddress: 1, beforeLogin: 1 }, () => true);
  const running = Promise.withResolvers<void>();
  const { connect } = await listen(t, () => running.resolve(), PATIENT_MS, gate);
  const busy = await connect();
  busy.write('GET / HTTP/1.1\r\nHost: r\r\n\r\n');
  await running.promise;
  const late = await connect();
  await late.closed();
  assert.equal(late.received(), 'refused: ERR_TOO_MANY_CONNECTIONS');
});
