import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { createRegistryClient, digestOf } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';

const MiB = 1024 * 1024;
const BLOCKS = 160;

function block(number: number): Buffer {
  return Buffer.alloc(MiB, `block ${number} `);
}

/** Bytes from `start` on of the content that the test pushes. */
function* contentFrom(start: number): Generator<Buffer> {
  for (let number = Math.floor(start / MiB); number < BLOCKS; number += 1) {
    yield block(number).subarray(number * MiB < start ? start % MiB : 0);
  }
}

test('kill -9 in the middle of an upload: it goes on where its status says, and nothing is lost', async (t) => {
  const server = await startRegistry(t);
  const registry = createRegistryClient(server.url);
  const image = await registry.pushImage('team/app', '1');
  const location = await registry.begin('team/app');
  const sizeOf = async () => {
    const status = await registry.send('GET', location);
    assert.equal(status.status, 204);
    const last = Number(/^0-(\d+)$/.exec(status.headers.range ?? '')?.[1]);
    return last === 0 ? 0 : last + 1;
  };

  const connection = await connectRaw(t, Number(new URL(server.url).port));
  connection.write(`PATCH ${location} HTTP/1.1\r\nHost: r\r\nContent-Length: ${BLOCKS * MiB}\r\n\r\n`);
  let sent = 0;
  for (const piece of contentFrom(0)) {
    // The last block is never sent: the request is still running when the server dies.
    if (sent === BLOCKS - 1) break;
    if (!connection.socket.write(piece)) {
      await new Promise((resolve) => connection.socket.once('drain', resolve));
    }
    sent += 1;
  }
  await eventually('a part of the upload is recorded', async () => ((await sizeOf()) > 0 ? true : undefined));
  await server.kill();
  await connection.closed();
  await server.restart();

  const size = await sizeOf();
  assert.ok(size > 0 && size < BLOCKS * MiB, `${size}`);
  const expected = createHash('sha256');
  for (const piece of contentFrom(0)) expected.update(piece);
  const digest = `sha256:${expected.digest('hex')}`;

  const middle = size + 10 * MiB + 7;
  const chunk = Buffer.concat([...contentFrom(size)].slice(0, 12)).subarray(0, middle - size);
  const patched = await registry.send('PATCH', location, {
    body: chunk,
    headers: { 'Content-Range': `${size}-${middle - 1}` },
  });
  assert.equal(patched.status, 202, patched.body.toString());
  assert.equal(patched.headers.range, `0-${middle - 1}`);
  const put = await registry.send('PUT', `${location}?digest=${digest}`, {
    body: Readable.from(contentFrom(middle)),
  });
  assert.equal(put.status, 201, put.body.toString());
  const pulled = await registry.send('GET', `/v2/team/app/blobs/${digest}`);
  assert.equal(pulled.body.length, BLOCKS * MiB);
  assert.equal(digestOf(pulled.body), digest);

  assert.deepEqual((await registry.send('GET', '/v2/team/app/manifests/1')).body, image.bytes);
  for (const blob of [image.manifest.config, ...image.manifest.layers]) {
    const { body } = await registry.send('GET', `/v2/team/app/blobs/${blob.digest}`);
    assert.equal(digestOf(body), blob.digest);
  }
});

test('kill -9 after each step of a push that was answered: every answer still holds', async (t) => {
  const server = await startRegistry(t);
  const registry = createRegistryClient(server.url);
  const crash = async () => {
    await server.kill();
    await server.restart();
  };
  const location = await registry.begin('team/app');
  await crash();
  const patched = await registry.send('PATCH', location, { body: 'half of ' });
  assert.equal(patched.status, 202);
  await crash();
  assert.equal((await registry.send('GET', location)).headers.range, '0-7');
  const digest = digestOf('half of it');
  const put = await registry.send('PUT', `${location}?digest=${digest}`, { body: 'it' });
  assert.equal(put.status, 201, put.body.toString());
  await crash();
  assert.equal((await registry.send('GET', `/v2/team/app/blobs/${digest}`)).body.toString(), 'half of it');
  const { bytes } = await registry.pushImage('team/app', '1');
  await crash();
  assert.deepEqual((await registry.send('GET', '/v2/team/app/manifests/1')).body, bytes);
  assert.equal((await registry.send('DELETE', '/v2/team/app/manifests/1')).status, 202);
  await crash();
  assert.equal((await registry.send('GET', '/v2/team/app/manifests/1')).status, 404);
});
