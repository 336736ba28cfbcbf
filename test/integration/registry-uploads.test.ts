import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { digestOf } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';
import { settledSize } from '../support/settled-upload.ts';

test('chunks with Content-Range, in order; one out of order is 416 and the upload goes on', async (t) => {
  const registry = await startInProcessRegistry(t);
  const content = randomBytes(250_000);
  const location = await registry.begin('team/app');
  const patch = (start: number, end: number, body = content.subarray(start, end + 1)) =>
    registry.send('PATCH', location, { body, headers: { 'Content-Range': `${start}-${end}` } });

  const first = await patch(0, 99_999);
  assert.equal(first.status, 202);
  assert.equal(first.headers.range, '0-99999');
  assert.equal(first.headers.location, location);
  assert.equal(first.headers['docker-upload-uuid'], location.split('/').at(-1));

  for (const [start, end] of [
    [0, 99_999],
    [99_999, 199_999],
    [100_001, 200_000],
    [200_000, 249_999],
  ] as const) {
    const refused = await patch(start, end);
    expectError(refused, 416, 'SIZE_INVALID');
    assert.equal(refused.headers.range, '0-99999');
    assert.equal(refused.headers.location, location);
  }
  for (const header of ['0-', 'bytes', '5-4', 'x']) {
    const options = { body: 'x', headers: { 'Content-Range': header } };
    expectError(await registry.send('PATCH', location, options), 416, 'SIZE_INVALID');
  }
  const status = await registry.send('GET', location);
  assert.equal(status.status, 204);
  assert.equal(status.headers.range, '0-99999');

  assert.equal((await patch(100_000, 199_999)).status, 202);
  const put = await registry.send('PUT', `${location}?digest=${digestOf(content)}`, {
    body: content.subarray(200_000),
    headers: { 'Content-Range': '200000-249999' },
  });
  assert.equal(put.status, 201, put.body.toString());
  assert.equal(put.headers.location, `/v2/team/app/blobs/${digestOf(content)}`);
  assert.deepEqual((await registry.send('GET', put.headers.location ?? '')).body, content);
  expectError(await registry.send('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN');
});

test('a Content-Range that lies about the length is refused, and nothing of it is kept', async (t) => {
  const registry = await startInProcessRegistry(t);
  const location = await registry.begin('team/app');
  const headers = { 'Content-Range': '0-9' };
  for (const body of [
    '123456789',
    '12345678901',
    Readable.from([Buffer.from('12345'), Buffer.from('6789')]),
    Readable.from([Buffer.from('12345678901')]),
  ]) {
    const refused = await registry.send('PATCH', location, { body, headers });
    expectError(refused, 416, 'SIZE_INVALID');
    assert.equal(refused.headers.location, location);
    assert.equal(refused.headers.range, '0-0');
  }
  const all = await registry.send('PATCH', location, { body: '1234567890', headers });
  assert.equal(all.status, 202, all.body.toString());
});

test('a refused chunk leaves no trace in the digest either', async (t) => {
  const registry = await startInProcessRegistry(t);
  const location = await registry.begin('team/app');
  await registry.send('PATCH', location, { body: '0123456789' });
  const refused = await registry.send('PATCH', location, {
    body: Readable.from([Buffer.from('AAAAA')]),
    headers: { 'Content-Range': '10-19' },
  });
  expectError(refused, 416, 'SIZE_INVALID');
  assert.equal(refused.headers.range, '0-9');
  assert.equal((await registry.send('PATCH', location, { body: 'BBBBB' })).headers.range, '0-14');
  const wrong = await registry.send('PUT', `${location}?digest=${digestOf('0123456789AAAAA')}`);
  expectError(wrong, 400, 'DIGEST_INVALID');
  const right = await registry.send('PUT', `${location}?digest=${digestOf('0123456789BBBBB')}`);
  assert.equal(right.status, 201, right.body.toString());
  assert.equal((await registry.send('GET', right.headers.location ?? '')).body.toString(), '0123456789BBBBB');
});

test('docker: one PATCH without length and range, then an empty PUT', async (t) => {
  const registry = await startInProcessRegistry(t);
  const content = randomBytes(1_000_000);
  const location = await registry.begin('team/app');
  const body = Readable.from([
    content.subarray(0, 1),
    content.subarray(1, 600_000),
    content.subarray(600_000),
  ]);
  const patched = await registry.send('PATCH', location, { body });
  assert.equal(patched.headers.range, '0-999999');
  const put = await registry.send('PUT', `${location}?digest=${encodeURIComponent(digestOf(content))}`);
  assert.equal(put.status, 201);
  assert.deepEqual((await registry.send('GET', `/v2/team/app/blobs/${digestOf(content)}`)).body, content);
});

test('a sha512 digest, decided at the closing PUT', async (t) => {
  const registry = await startInProcessRegistry(t);
  const location = await registry.begin('team/app');
  await registry.send('PATCH', location, { body: 'some content' });
  const digest = digestOf('some content', 'sha512');
  assert.equal((await registry.send('PUT', `${location}?digest=${digest}`)).status, 201);
  const pulled = await registry.send('GET', `/v2/team/app/blobs/${digest}`);
  assert.equal(pulled.body.toString(), 'some content');
  assert.equal(pulled.headers['docker-content-digest'], digest);
});

test('closing an upload again is answered as the first time, where the repository has the blob', async (t) => {
  const registry = await startInProcessRegistry(t);
  const location = await registry.begin('team/app');
  const close = (digest: string, body = '') => registry.send('PUT', `${location}?digest=${digest}`, { body });
  const digest = digestOf('content');
  const first = await close(digest, 'content');
  assert.equal(first.status, 201);
  // go-containerregistry sends the request again when the connection breaks before the answer.
  for (const body of ['', 'content']) {
    const again = await close(digest, body);
    assert.equal(again.status, 201, again.body.toString());
    assert.equal(again.headers.location, first.headers.location);
    assert.equal(again.headers['docker-content-digest'], digest);
  }
  expectError(await close(digestOf('other')), 404, 'BLOB_UPLOAD_UNKNOWN');
  const elsewhere = location.replace('team/app', 'team/other');
  expectError(await registry.send('PUT', `${elsewhere}?digest=${digest}`), 404, 'BLOB_UPLOAD_UNKNOWN');
  for (const method of ['GET', 'PATCH', 'DELETE']) {
    expectError(await registry.send(method, location), 404, 'BLOB_UPLOAD_UNKNOWN');
  }
  assert.equal((await registry.send('DELETE', `/v2/team/app/blobs/${digest}`)).status, 202);
  expectError(await close(digest), 404, 'BLOB_UPLOAD_UNKNOWN');
});

test('an empty blob, by PUT and by single POST', async (t) => {
  const registry = await startInProcessRegistry(t);
  const digest = digestOf('');
  assert.equal((await registry.pushBlob('team/app', '')).digest, digest);
  const post = await registry.send('POST', `/v2/team/b/blobs/uploads/?digest=${digest}`);
  assert.equal(post.status, 201);
  for (const repository of ['team/app', 'team/b']) {
    const pulled = await registry.send('GET', `/v2/${repository}/blobs/${digest}`);
    assert.equal(pulled.status, 200);
    assert.equal(pulled.headers['content-length'], '0');
  }
});

test('a single POST with the digest stores the blob', async (t) => {
  const registry = await startInProcessRegistry(t);
  const content = randomBytes(100_000);
  const post = await registry.send('POST', `/v2/team/app/blobs/uploads/?digest=${digestOf(content)}`, {
    body: content,
  });
  assert.equal(post.status, 201);
  assert.deepEqual((await registry.send('GET', post.headers.location ?? '')).body, content);
});

test('mount: 201 when the other repository has it, otherwise an upload begins', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest } = await registry.pushBlob('team/app', 'shared');
  const path = (from: string) => `/v2/team/b/blobs/uploads/?mount=${digest}&from=${from}`;
  for (const from of ['team/c', 'Bad', '..', '', encodeURIComponent('a/../team/app')]) {
    const answer = await registry.send('POST', path(from));
    assert.equal(answer.status, 202, from);
    assert.match(answer.headers.location ?? '', /^\/v2\/team\/b\/blobs\/uploads\//);
  }
  expectError(await registry.send('GET', `/v2/team/b/blobs/${digest}`), 404, 'BLOB_UNKNOWN');
  const mounted = await registry.send('POST', path('team/app'));
  assert.equal(mounted.status, 201);
  assert.equal(mounted.headers['docker-content-digest'], digest);
  assert.equal((await registry.send('GET', mounted.headers.location ?? '')).body.toString(), 'shared');
});

test('a blob is seen in its own repository only', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest } = await registry.pushBlob('team/app', 'private');
  for (const repository of ['team/ap', 'team', 'team/app/x', 'other']) {
    expectError(await registry.send('GET', `/v2/${repository}/blobs/${digest}`), 404, 'BLOB_UNKNOWN');
  }
});

test('deleting a blob: 202, then 404; another repository keeps it', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest } = await registry.pushBlob('team/app', 'twice');
  await registry.pushBlob('team/b', 'twice');
  const path = `/v2/team/app/blobs/${digest}`;
  assert.equal((await registry.send('DELETE', path)).status, 202);
  expectError(await registry.send('DELETE', path), 404, 'BLOB_UNKNOWN');
  expectError(await registry.send('GET', path), 404, 'BLOB_UNKNOWN');
  assert.equal((await registry.send('GET', `/v2/team/b/blobs/${digest}`)).body.toString(), 'twice');
});

test('a blob that a manifest needs is not deleted, also where deletes are on', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest, manifest } = await registry.pushImage('team/app', '1');
  const needed = [manifest.config, ...manifest.layers];
  for (const blob of needed) {
    const path = `/v2/team/app/blobs/${blob.digest}`;
    const refused = await registry.send('DELETE', path);
    expectError(refused, 405, 'UNSUPPORTED');
    assert.equal(refused.headers.allow, 'GET, HEAD');
    assert.match(refused.body.toString(), new RegExp(`the manifest ${digest} of team/app needs`));
    assert.equal((await registry.send('HEAD', path)).status, 200);
  }
  assert.equal((await registry.send('DELETE', `/v2/team/app/manifests/${digest}`)).status, 202);
  for (const blob of needed) {
    assert.equal((await registry.send('DELETE', `/v2/team/app/blobs/${blob.digest}`)).status, 202);
  }
});

test('ranges: 206 with exactly the bytes, 416 beyond the end, If-Range, If-None-Match', async (t) => {
  const registry = await startInProcessRegistry(t);
  const content = randomBytes(300_000);
  const { digest } = await registry.pushBlob('team/app', content);
  const get = (headers: Record<string, string>, method = 'GET') =>
    registry.send(method, `/v2/team/app/blobs/${digest}`, { headers });
  for (const [range, start, end] of [
    ['0-0', 0, 0],
    ['100000-199999', 100_000, 199_999],
    ['299999-', 299_999, 299_999],
    ['-7', 299_993, 299_999],
    ['0-999999', 0, 299_999],
  ] as const) {
    const part = await get({ Range: `bytes=${range}` });
    assert.equal(part.status, 206);
    assert.equal(part.headers['content-range'], `bytes ${start}-${end}/300000`);
    assert.equal(part.headers['content-length'], String(end - start + 1));
    assert.deepEqual(part.body, content.subarray(start, end + 1));
  }
  const beyond = await get({ Range: 'bytes=300000-' });
  expectError(beyond, 416, 'SIZE_INVALID');
  assert.equal(beyond.headers['content-range'], 'bytes */300000');
  assert.equal((await get({ Range: 'bytes=0-1,5-6' })).status, 200);
  assert.equal((await get({ Range: 'bytes=0-1', 'If-Range': `"${digest}"` })).status, 206);
  assert.equal((await get({ Range: 'bytes=0-1', 'If-Range': '"other"' })).status, 200);
  assert.equal((await get({ Range: 'bytes=0-1', 'If-Range': `W/"${digest}"` })).status, 200);
  const date = 'Fri, 01 Jan 2100 00:00:00 GMT';
  assert.equal((await get({ Range: 'bytes=0-1', 'If-Range': date })).status, 200);
  for (const tag of [`"${digest}"`, digest]) {
    const same = await get({ 'If-None-Match': tag });
    assert.equal(same.status, 304);
    assert.equal(same.body.length, 0);
  }
  const head = await get({}, 'HEAD');
  assert.equal(head.status, 200);
  assert.equal(head.headers['content-length'], '300000');
  assert.equal(head.headers['accept-ranges'], 'bytes');
  assert.equal(head.headers['docker-content-digest'], digest);
  const plain = await get({ 'Accept-Encoding': 'gzip, zstd' });
  assert.equal(plain.headers['content-encoding'], undefined);
  assert.deepEqual(plain.body, content);
});

test('one request at a time writes to an upload; the other one is told, and no byte is lost', async (t) => {
  const registry = await startInProcessRegistry(t);
  const location = await registry.begin('team/app');
  const slow = await connectRaw(t, registry.port);
  slow.write(
    `PATCH ${location} HTTP/1.1\r\nHost: registry\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n`,
  );
  // The server asks for the body once the upload is taken.
  await slow.waitFor(/^HTTP\/1\.1 100 Continue\r\n/);
  expectError(await registry.send('PATCH', location, { body: 'other' }), 409, 'BLOB_UPLOAD_INVALID');
  const early = await registry.send('PUT', `${location}?digest=${digestOf('')}`);
  expectError(early, 409, 'BLOB_UPLOAD_INVALID');
  slow.write('0123456789');
  await slow.waitFor(/HTTP\/1\.1 202 /);
  assert.equal(await settledSize(registry, location), 10);
  const put = await registry.send('PUT', `${location}?digest=${digestOf('0123456789')}`);
  assert.equal(put.status, 201);
});

test('cancelling cuts off the request that writes to the upload', async (t) => {
  const registry = await startInProcessRegistry(t);
  const location = await registry.begin('team/app');
  const slow = await connectRaw(t, registry.port);
  slow.write(
    `PATCH ${location} HTTP/1.1\r\nHost: registry\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n`,
  );
  await slow.waitFor(/^HTTP\/1\.1 100 Continue\r\n/);
  assert.equal((await registry.send('DELETE', location)).status, 204);
  await slow.waitFor(/HTTP\/1\.1 404 [\s\S]*BLOB_UPLOAD_UNKNOWN/);
  expectError(await registry.send('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN');
});

test('the same blob pushed by many at once', async (t) => {
  const registry = await startInProcessRegistry(t);
  const content = randomBytes(200_000);
  const pushes = Array.from({ length: 12 }, (_, n) => registry.pushBlob(`team/app${n % 3}`, content));
  await Promise.all(pushes);
  for (const n of [0, 1, 2]) {
    const pulled = await registry.send('GET', `/v2/team/app${n}/blobs/${digestOf(content)}`);
    assert.deepEqual(pulled.body, content);
  }
});
