import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import { connect, createServer as createNetServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { BodySender } from '../../server/http/body-sender.ts';
import { defer } from '../support/cleanup.ts';
import { patternBytes } from '../support/content.ts';
import { connectRaw } from '../support/raw-connection.ts';

/** Milliseconds: a test that is held up for seconds is not silent for as long. */
const SILENCE = 5_000;
const CONTENT = patternBytes(3_000_000, 1);
const NEVER = new AbortController().signal;

/** A client that has asked, what is to be answered, and a connection whose other end a test has. */
async function begin(t: TestContext) {
  const sender = new BodySender(SILENCE);
  defer(t, () => sender.close());
  const asked = Promise.withResolvers<ServerResponse>();
  const server = createServer((_req, res) => asked.resolve(res));
  const far = Promise.withResolvers<Socket>();
  const sources = createNetServer((socket) => far.resolve(socket.on('error', () => {})));
  const ports: number[] = [];
  for (const one of [server, sources]) {
    await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
    defer(t, () => {
      one.close();
    });
    const address = one.address();
    ports.push(typeof address === 'object' && address !== null ? address.port : 0);
  }
  const [port = 0, sourcePort = 0] = ports;
  const connection = connect({ port: sourcePort, host: '127.0.0.1' }).pause();
  defer(t, () => {
    connection.destroy();
  });
  const client = await connectRaw(t, port);
  client.write('GET / HTTP/1.1\r\nHost: r\r\n\r\n');
  const res = await asked.promise;
  res.setHeader('Content-Length', CONTENT.byteLength);
  const source = await far.promise;
  return { sender, res, client, source, connection };
}

test('what comes over a connection goes on to a client, with what had been read of it', async (t) => {
  const { sender, res, client, source, connection } = await begin(t);
  const part = { connection, begun: CONTENT.subarray(0, 1000), length: CONTENT.byteLength };
  const relayed = sender.relay(res, part, NEVER);
  source.write(CONTENT.subarray(1000));
  assert.equal(await relayed, CONTENT.byteLength);
  res.end();
  await client.waitFor(/\r\n\r\n/);
  const head = client.received().indexOf('\r\n\r\n') + 4;
  while (client.received().length < head + CONTENT.byteLength)
    await new Promise((resolve) => client.socket.once('data', resolve));
  assert.ok(Buffer.from(client.received().slice(head), 'latin1').equals(CONTENT));
});

test('a source that gives nothing, or little and then nothing, is given up; one that gives little is not', async (t) => {
  const { sender, res, source, connection } = await begin(t);
  const part = { connection, begun: CONTENT.subarray(0, 0), length: CONTENT.byteLength };
  const relayed = sender.relay(res, part, NEVER);
  // Each is less than what the thread is woken for.
  let given = 0;
  const drip = setInterval(() => {
    source.write(CONTENT.subarray(given, given + 1000));
    given += 1000;
    if (given === 8000) clearInterval(drip);
  }, SILENCE / 4);
  t.after(() => clearInterval(drip));
  assert.equal(await relayed, 8000);
});

test('a source that ends too early is told from a client that has gone', async (t) => {
  const early = await begin(t);
  const part = { begun: CONTENT.subarray(0, 0), length: CONTENT.byteLength };
  const relayed = early.sender.relay(early.res, { ...part, connection: early.connection }, NEVER);
  early.source.end(CONTENT.subarray(0, 500_000));
  assert.equal(await relayed, 500_000);

  const gone = await begin(t);
  const refused = assert.rejects(
    gone.sender.relay(gone.res, { ...part, connection: gone.connection }, NEVER),
  );
  gone.client.reset();
  gone.source.write(CONTENT);
  await refused;
});

test('one that is given up by its signal ends at once', async (t) => {
  const { sender, res, connection } = await begin(t);
  const stop = new AbortController();
  const part = { connection, begun: CONTENT.subarray(0, 10), length: CONTENT.byteLength };
  const refused = assert.rejects(sender.relay(res, part, stop.signal), /enough/);
  stop.abort(new Error('enough'));
  await refused;
});
