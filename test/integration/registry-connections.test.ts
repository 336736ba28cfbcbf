import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type InProcessRegistry, startInProcessRegistry } from '../support/in-process-registry.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { digestOf } from '../support/registry-client.ts';

const MiB = 1024 * 1024;

function abortedRequests(registry: InProcessRegistry): number {
  return registry.logged.filter((line) => JSON.parse(line).aborted === true).length;
}

test('a refused upload is never asked for its body when the client waits', async (t) => {
  const registry = await startInProcessRegistry(t, { auth: 'accounts', adminPassword: 'a password' });
  const connection = await connectRaw(t, registry.port);
  connection.write(
    'PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: r\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n',
  );
  await connection.closed();
  assert.match(connection.received(), /^HTTP\/1\.1 401 /);
  assert.match(connection.received(), /\r\nConnection: close\r\n/i);
});

test('an answer that comes before the end of the body arrives, and the connection goes on', async (t) => {
  const registry = await startInProcessRegistry(t);
  const connection = await connectRaw(t, registry.port);
  connection.write(
    `PATCH /v2/a/blobs/uploads/none HTTP/1.1\r\nHost: r\r\nContent-Length: ${4 * MiB}\r\n\r\n`,
  );
  connection.write(Buffer.alloc(MiB));
  await connection.waitFor(/HTTP\/1\.1 404 [\s\S]*BLOB_UPLOAD_UNKNOWN/);
  connection.write(Buffer.alloc(3 * MiB));
  connection.write('GET /v2/ HTTP/1.1\r\nHost: r\r\n\r\n');
  await connection.waitFor(/HTTP\/1\.1 200 /);
});

test('the same when a part of the body had been read', async (t) => {
  const registry = await startInProcessRegistry(t);
  const connection = await connectRaw(t, registry.port);
  const length = 6 * MiB;
  connection.write(`PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: r\r\nContent-Length: ${length}\r\n\r\n`);
  connection.write(Buffer.alloc(5 * MiB, ' '));
  await connection.waitFor(/HTTP\/1\.1 413 [\s\S]*SIZE_INVALID/);
  connection.write(Buffer.alloc(MiB, ' '));
  connection.write('GET /v2/ HTTP/1.1\r\nHost: r\r\n\r\n');
  await connection.waitFor(/HTTP\/1\.1 200 /);
});

test('a client that goes on sending after its answer is cut off', async (t) => {
  const registry = await startInProcessRegistry(t);
  const connection = await connectRaw(t, registry.port);
  connection.write(
    `PATCH /v2/a/blobs/uploads/none HTTP/1.1\r\nHost: r\r\nContent-Length: ${1024 * MiB}\r\n\r\n`,
  );
  await connection.waitFor(/HTTP\/1\.1 404 /);
  let sent = 0;
  while (sent < 512 && !connection.socket.destroyed) {
    sent += 1;
    if (connection.socket.write(Buffer.alloc(MiB))) continue;
    await Promise.race(
      ['drain', 'close'].map((event) => once(connection.socket, event).catch(() => undefined)),
    );
  }
  await connection.closed();
  assert.ok(sent < 128, `the server has taken ${sent} MiB`);
});

test('a client that hangs up in the middle of a blob stops the work; the next one gets all of it', async (t) => {
  const registry = await startInProcessRegistry(t);
  const content = randomBytes(24 * MiB);
  const { digest } = await registry.pushBlob('team/app', content);
  for (const how of ['end', 'reset'] as const) {
    const before = abortedRequests(registry);
    const connection = await connectRaw(t, registry.port);
    connection.write(`GET /v2/team/app/blobs/${digest} HTTP/1.1\r\nHost: r\r\n\r\n`);
    await connection.waitFor(/^HTTP\/1\.1 200 /);
    connection.socket.pause();
    if (how === 'reset') connection.reset();
    else connection.socket.destroy();
    await eventually('the request is logged as aborted', () =>
      abortedRequests(registry) > before ? true : undefined,
    );
  }
  const pulled = await registry.send('GET', `/v2/team/app/blobs/${digest}`);
  assert.equal(digestOf(pulled.body), digest);
  assert.deepEqual(
    registry.logged.filter((line) => JSON.parse(line).level >= 50),
    [],
  );
});

test('what is no HTTP gets an error of the protocol and is closed', async (t) => {
  const registry = await startInProcessRegistry(t);
  for (const [request, status] of [
    ['NONSENSE\r\n\r\n', 400],
    ['GET /v2/ HTTP/1.1\r\nHost: r\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    ['GET /v2/ HTTP/1.1\r\nHost: r\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
    ['GET /v2/ HTTP/1.1\r\nHost: r\r\nHost: other\r\n\r\n', 400],
    ['GET /v2/ HTTP/1.1\r\nHost: r\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n', 400],
    [`GET /v2/ HTTP/1.1\r\nHost: r\r\nX-Long: ${'x'.repeat(64 * 1024)}\r\n\r\n`, 431],
  ] as const) {
    const connection = await connectRaw(t, registry.port);
    connection.write(request);
    await connection.closed();
    const [head = '', body = ''] = connection.received().split('\r\n\r\n');
    assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.match(head, /\r\nContent-Type: application\/json/);
    assert.equal(JSON.parse(body).errors[0].code, 'UNSUPPORTED');
  }
  assert.equal((await registry.send('GET', '/v2/')).status, 200);
});

test('requests on one connection are answered in order', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest } = await registry.pushBlob('team/app', 'content');
  const connection = await connectRaw(t, registry.port);
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: r\r\n\r\n`;
  connection.write(
    get('/v2/') +
      get(`/v2/team/app/blobs/${digest}`) +
      get('/v2/team/app/manifests/none') +
      get('/v2/_catalog'),
  );
  await connection.waitFor(/"repositories"/);
  const statuses = [...connection.received().matchAll(/HTTP\/1\.1 (\d+) /g)].map((match) => match[1]);
  assert.deepEqual(statuses, ['200', '200', '404', '200']);
});

test('answers of the API say which version they speak', async (t) => {
  const registry = await startInProcessRegistry(t);
  for (const path of ['/v2/', '/v2', '/v2/none/manifests/1', '/v2/BAD/manifests/1', '/v2/none']) {
    const answer = await registry.send('GET', path);
    assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0', path);
  }
  assert.equal((await registry.send('GET', '/')).headers['docker-distribution-api-version'], undefined);
});
