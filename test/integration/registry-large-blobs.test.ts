import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { sendRequest } from '../support/http-client.ts';
import { type InProcessRegistry, startInProcessRegistry } from '../support/in-process-registry.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { runCommand } from '../support/run-command.ts';

/** More than any socket's buffers hold. */
const SIZE = 24 * 1024 * 1024;
const content = randomBytes(SIZE);

async function pushed(registry: InProcessRegistry): Promise<string> {
  const { digest } = await registry.pushBlob('team/app', content);
  return `/v2/team/app/blobs/${digest}`;
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

async function running(registry: InProcessRegistry, count: number): Promise<void> {
  const name = 'berth_http_requests_running';
  await eventually(`${count} requests run`, async () =>
    (await registry.metric(name)) === count ? true : undefined,
  );
}

test('a large blob arrives whole, to several clients at once, on connections that go on', async (t) => {
  const registry = await startInProcessRegistry(t);
  const path = await pushed(registry);
  const clients = Array.from({ length: 6 }, async () => {
    const { hash, heads } = await receiveTwice(registry.port, path);
    assert.equal(hash, createHash('sha256').update(content).update(content).digest('hex'));
    assert.equal(heads.length, 2);
    for (const head of heads)
      assert.match(head, new RegExp(`^HTTP/1\\.1 200 .*Content-Length: ${SIZE}\r\n`, 'is'));
  });
  await Promise.all(clients);
});

/** Asks twice on one connection, the second time when the first answer has come. */
function receiveTwice(port: number, path: string) {
  const hash = createHash('sha256');
  const heads: string[] = [];
  return new Promise<{ hash: string; heads: string[] }>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const ask = () => socket.write(`GET ${path} HTTP/1.1\r\nHost: r\r\n\r\n`);
    let head: Buffer = Buffer.alloc(0);
    let left = 0;
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.on('data', (chunk: Buffer) => {
      let bytes = chunk;
      if (left === 0) {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf('\r\n\r\n');
        if (end === -1) return;
        heads.push(head.subarray(0, end + 4).toString());
        bytes = head.subarray(end + 4);
        head = Buffer.alloc(0);
        left = SIZE;
      }
      hash.update(bytes);
      left -= bytes.length;
      if (left > 0) return;
      if (heads.length === 1) ask();
      else {
        resolve({ hash: hash.digest('hex'), heads });
        socket.destroy();
      }
    });
    ask();
  });
}

test('parts of a large blob', async (t) => {
  const registry = await startInProcessRegistry(t);
  const path = await pushed(registry);
  for (const [range, start, end] of [
    ['bytes=1000000-', 1_000_000, SIZE],
    ['bytes=5-9999999', 5, 10_000_000],
    ['bytes=-3000000', SIZE - 3_000_000, SIZE],
    ['bytes=7-17', 7, 18],
  ] as const) {
    const answer = await registry.send('GET', path, { headers: { Range: range } });
    assert.equal(answer.status, 206);
    assert.equal(answer.headers['content-range'], `bytes ${start}-${end - 1}/${SIZE}`);
    assert.equal(answer.body.equals(content.subarray(start, end)), true, range);
  }
});

test('requests that were sent before the answer came are answered in order', async (t) => {
  const registry = await startInProcessRegistry(t);
  const path = await pushed(registry);
  const connection = await connectRaw(t, registry.port);
  const part = (range: string) => `GET ${path} HTTP/1.1\r\nHost: r\r\nRange: bytes=${range}\r\n`;
  connection.write(`${part('0-999999')}\r\n${part('1000000-1999999')}\r\n`);
  connection.write(`${part('2000000-2999999')}Connection: close\r\n\r\n`);
  await connection.closed();
  const received = Buffer.from(connection.received(), 'latin1');
  let position = 0;
  for (let index = 0; index < 3; index += 1) {
    position = received.indexOf('\r\n\r\n', position) + 4;
    const expected = content.subarray(index * 1_000_000, (index + 1) * 1_000_000);
    assert.equal(received.subarray(position, position + 1_000_000).equals(expected), true, `answer ${index}`);
    position += 1_000_000;
  }
  assert.equal(received.length, position);
});

test('bytes that were sent past Node are logged and counted', async (t) => {
  const registry = await startInProcessRegistry(t);
  const path = await pushed(registry);
  const before = await registry.metric('berth_http_sent_bytes_total');
  await registry.send('GET', path);
  await eventually('the request is logged', () =>
    registry.logged.find((line) => JSON.parse(line).bytesOut >= SIZE),
  );
  const sent = (await registry.metric('berth_http_sent_bytes_total')) - before;
  assert.equal(sent >= SIZE && sent < SIZE + 10_000, true, `${sent} bytes`);
});

test('what goes to a client on this machine is not paced', async (t) => {
  const registry = await startInProcessRegistry(t);
  const path = await pushed(registry);
  const connection = await connectRaw(t, registry.port);
  connection.socket.pause();
  connection.write(`GET ${path} HTTP/1.1\r\nHost: r\r\n\r\n`);
  await running(registry, 1);
  const filter = ['sport', '=', `:${registry.port}`, 'dport', '=', `:${connection.socket.localPort}`];
  await eventually('the congestion control is reno', async () => {
    const { stdout } = await runCommand('ss', ['-tinH', 'state', 'established', ...filter]);
    return / reno /.test(stdout) ? true : undefined;
  });
});

test('clients that go away in the middle leave no file open', async (t) => {
  const registry = await startInProcessRegistry(t);
  const path = await pushed(registry);
  await registry.send('GET', path);
  const before = openDescriptors();
  for (let round = 0; round < 5; round += 1) {
    const connection = await connectRaw(t, registry.port);
    connection.socket.pause();
    connection.write(`GET ${path} HTTP/1.1\r\nHost: r\r\n\r\n`);
    await running(registry, 1);
    connection.socket.resetAndDestroy();
    await running(registry, 0);
  }
  await eventually('files and sockets are closed', () => (openDescriptors() <= before ? true : undefined));
  assert.equal(registry.logged.filter((line) => JSON.parse(line).aborted === true).length, 5);
  const answer = await sendRequest(`${registry.url}${path}`);
  assert.equal(answer.body.equals(content), true);
});

test('a server that stops cuts the clients that take nothing, and ends', async (t) => {
  const registry = await startInProcessRegistry(t);
  const path = await pushed(registry);
  const connection = await connectRaw(t, registry.port);
  connection.socket.pause();
  connection.write(`GET ${path} HTTP/1.1\r\nHost: r\r\n\r\n`);
  await running(registry, 1);
  assert.equal(await registry.stop(50), false);
});
