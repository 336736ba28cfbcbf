import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { residentBytes } from '../bench/resident-bytes.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { createRegistryClient, digestOf } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';

const MiB = 1024 * 1024;
/** Of each kind: in the middle of its headers, of a body, and of an answer of which it takes nothing. */
const CLIENTS = 60;

test('many slow clients take little memory, and others are served', { timeout: 900_000 }, async (t) => {
  const server = await startRegistry(t);
  const registry = createRegistryClient(server.url);
  const { bytes } = await registry.pushImage('team/app', '1');
  const content = randomBytes(16 * MiB);
  const { digest } = await registry.pushBlob('team/app', content);
  assert.equal((await registry.send('GET', `/v2/team/app/blobs/${digest}`)).status, 200);
  const { pid } = server.process();
  const before = await residentBytes(pid);

  const port = Number(new URL(server.url).port);
  const locations: string[] = [];
  for (let count = 0; count < CLIENTS; count += 1) locations.push(await registry.begin('team/app'));
  for (const location of locations) {
    const [headers, body, answer] = [
      await connectRaw(t, port),
      await connectRaw(t, port),
      await connectRaw(t, port),
    ];
    headers.write(`GET /v2/ HTTP/1.1\r\nHost: r\r\nX-Slow: ${'x'.repeat(4000)}`);
    body.write(`PATCH ${location} HTTP/1.1\r\nHost: r\r\nContent-Length: ${16 * MiB}\r\n\r\n`);
    body.write(content.subarray(0, 100_000));
    answer.socket.pause();
    answer.write(`GET /v2/team/app/blobs/${digest} HTTP/1.1\r\nHost: r\r\n\r\n`);
  }

  assert.deepEqual((await registry.send('GET', '/v2/team/app/manifests/1')).body, bytes);
  assert.equal(digestOf((await registry.send('GET', `/v2/team/app/blobs/${digest}`)).body), digest);
  await registry.pushImage('team/app', '2');
  const grown = (await residentBytes(pid)) - before;
  t.diagnostic(`${3 * CLIENTS} slow clients: ${(grown / MiB).toFixed(0)} MiB more`);
  // A whole blob for each of those that take nothing would be a gigabyte.
  assert.ok(grown < 150 * MiB, `${grown} bytes`);
});
