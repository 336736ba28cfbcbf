import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type InProcessRegistry, startInProcessRegistry } from '../support/in-process-registry.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { digestOf } from '../support/registry-client.ts';
import { settledSize } from '../support/settled-upload.ts';

/** From this size on a body of known length is read past Node. */
const TAKEN = 1024 * 1024;
const content = randomBytes(7 * TAKEN + 12_345);
const digest = digestOf(content);

function headOf(method: string, path: string, length: number, more = ''): string {
  return `${method} ${path} HTTP/1.1\r\nHost: r\r\nContent-Length: ${length}\r\n${more}\r\n`;
}

async function assertStored(registry: InProcessRegistry, expected: Buffer = content): Promise<void> {
  const answer = await registry.send('GET', `/v2/team/app/blobs/${digestOf(expected)}`);
  assert.equal(answer.status, 200);
  assert.equal(answer.body.equals(expected), true);
}

test('a large body arrives whole, whether its bytes come with the head, by and by, or when they are asked for', async (t) => {
  const registry = await startInProcessRegistry(t);
  for (const way of ['with the head', 'by and by', 'when asked for'] as const) {
    const body = Buffer.concat([Buffer.from(way), content]);
    const location = `${await registry.begin('team/app')}?digest=${digestOf(body)}`;
    const connection = await connectRaw(t, registry.port);
    if (way === 'with the head') {
      connection.write(Buffer.concat([Buffer.from(headOf('PUT', location, body.length)), body]));
    } else if (way === 'by and by') {
      connection.write(headOf('PUT', location, body.length));
      for (let start = 0; start < body.length; start += 500_000) {
        connection.write(body.subarray(start, start + 500_000));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    } else {
      connection.write(headOf('PUT', location, body.length, 'Expect: 100-continue\r\n'));
      await connection.waitFor(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
      connection.write(body);
    }
    await connection.waitFor(/HTTP\/1\.1 201 [\s\S]*\r\nConnection: close\r\n/);
    await connection.closed();
    await assertStored(registry, body);
  }
  const sizes = registry.logged
    .map((line) => Number(JSON.parse(line).bytesIn))
    .filter((size) => size > TAKEN);
  assert.equal(sizes.length, 3);
  for (const size of sizes) assert.ok(size > content.length && size < content.length + 1000, `${size}`);
});

test('a large body may come with the only request, by a client that is faster than the server', async (t) => {
  const registry = await startInProcessRegistry(t);
  const path = `/v2/team/app/blobs/uploads/?digest=${digest}`;
  for (let round = 0; round < 3; round += 1) {
    assert.equal((await registry.send('POST', path, { body: content })).status, 201);
  }
  await assertStored(registry);
});

test('an upload may come in pieces of every size and kind, and many uploads at once', async (t) => {
  const registry = await startInProcessRegistry(t);
  const kinds = ['large', 'small', 'chunked', 'large', 'range', 'large'] as const;
  const push = async (turn: number) => {
    const location = await registry.begin('team/app');
    const whole: Buffer[] = [];
    let size = 0;
    for (let step = 0; step < kinds.length; step += 1) {
      const kind = kinds[(step + turn) % kinds.length];
      const piece = randomBytes(kind === 'small' ? 10_000 : 2 * TAKEN + 1000 * step + turn);
      const headers = kind === 'range' ? { 'Content-Range': `${size}-${size + piece.length - 1}` } : {};
      const body = kind === 'chunked' ? Readable.from([piece]) : piece;
      const answer = await registry.send('PATCH', location, { body, headers });
      assert.equal(answer.status, 202, answer.body.toString());
      whole.push(piece);
      size += piece.length;
      assert.equal(answer.headers.range, `0-${size - 1}`);
    }
    const pushed = Buffer.concat(whole);
    const algorithm = turn % 3 === 2 ? 'sha512' : 'sha256';
    const closing = await registry.send('PUT', `${location}?digest=${digestOf(pushed, algorithm)}`);
    assert.equal(closing.status, 201, closing.body.toString());
    if (algorithm === 'sha256') await assertStored(registry, pushed);
  };
  await Promise.all(Array.from({ length: 6 }, (_, turn) => push(turn)));
});

test('content that has another digest is refused, and stays for a second try', async (t) => {
  const registry = await startInProcessRegistry(t);
  const location = await registry.begin('team/app');
  const wrong = digestOf('something else');
  const refused = await registry.send('PUT', `${location}?digest=${wrong}`, { body: content });
  assert.equal(refused.status, 400);
  assert.match(refused.body.toString(), /DIGEST_INVALID/);
  assert.equal((await registry.send('PUT', `${location}?digest=${digest}`)).status, 201);
  await assertStored(registry);
});

test('of a client that goes away what has come stays, and no descriptor', async (t) => {
  const registry = await startInProcessRegistry(t);
  await registry.send('PUT', `${await registry.begin('team/app')}?digest=${digest}`, { body: content });
  const half = 3 * TAKEN + 7;
  const opened = () => readdirSync('/proc/self/fd').length;
  const before = opened();
  for (const leave of ['end', 'resetAndDestroy'] as const) {
    const location = await registry.begin('team/app');
    const connection = await connectRaw(t, registry.port);
    connection.write(headOf('PATCH', location, content.length));
    await new Promise<void>((resolve) => connection.socket.write(content.subarray(0, half), () => resolve()));
    // A reset would take what waits in the sockets with it.
    const file = join(registry.data, 'uploads', basename(location));
    await eventually('all that was sent is there', () =>
      statSync(file, { throwIfNoEntry: false })?.size === half ? true : undefined,
    );
    connection.socket[leave]();
    assert.equal(await settledSize(registry, location), half);
    const rest = await registry.send('PUT', `${location}?digest=${digest}`, { body: content.subarray(half) });
    assert.equal(rest.status, 201, rest.body.toString());
    connection.socket.destroy();
  }
  const logged = registry.logged.map((line) => JSON.parse(line));
  assert.equal(logged.filter(({ aborted }) => aborted === true).length, 2);
  assert.deepEqual(
    logged.filter(({ level }) => level >= 50),
    [],
  );
  await eventually('files and sockets are closed', () => (opened() <= before ? true : undefined));
});

test('an upload that is cancelled, and a server that stops, cut a client that sends no more', async (t) => {
  const registry = await startInProcessRegistry(t);
  const send = async () => {
    const location = await registry.begin('team/app');
    const connection = await connectRaw(t, registry.port);
    connection.write(headOf('PATCH', location, content.length));
    connection.write(content.subarray(0, 2 * TAKEN));
    await eventually('it is being received', async () =>
      (await registry.metric('berth_uploads_active')) === 1 ? true : undefined,
    );
    return { location, connection };
  };
  const cancelled = await send();
  assert.equal((await registry.send('DELETE', cancelled.location)).status, 204);
  await cancelled.connection.waitFor(/HTTP\/1\.1 404 /);
  assert.equal((await registry.send('GET', cancelled.location)).status, 404);
  await send();
  assert.equal(await registry.stop(50), false);
});
