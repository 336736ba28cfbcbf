import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { digestOf } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';

const uploads = '/v2/team/app/blobs/uploads/';

for (const announced of [undefined, 'sha256', 'sha512'] as const) {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    test(`an upload announced with ${announced ?? 'no algorithm'}, ended with ${algorithm}`, async (t) => {
      const registry = await startInProcessRegistry(t);
      const content = randomBytes(200_000);
      const query = announced === undefined ? '' : `?digest-algorithm=${announced}`;
      const begun = await registry.send('POST', uploads + query);
      assert.equal(begun.status, 202);
      let location = begun.headers.location ?? '';
      for (const part of [content.subarray(0, 70_000), content.subarray(70_000)]) {
        const patched = await registry.send('PATCH', location, { body: part });
        location = patched.headers.location ?? '';
      }
      const digest = digestOf(content, algorithm);
      const wrong = digestOf('other', algorithm);
      // Clients append to the query that is there.
      const closing = (end: string) => `${location}${location.includes('?') ? '&' : '?'}digest=${end}`;
      expectError(await registry.send('PUT', closing(wrong)), 400, 'DIGEST_INVALID');
      const put = await registry.send('PUT', closing(digest));
      assert.equal(put.status, 201, put.body.toString());
      assert.equal(put.headers['docker-content-digest'], digest);
      const pulled = await registry.send('GET', put.headers.location ?? '');
      assert.deepEqual(pulled.body, content);
      const other = digestOf(content, algorithm === 'sha256' ? 'sha512' : 'sha256');
      expectError(await registry.send('GET', `/v2/team/app/blobs/${other}`), 404, 'BLOB_UNKNOWN');
    });
  }
}

test('an algorithm that is not known is refused before anything is sent', async (t) => {
  const registry = await startInProcessRegistry(t);
  for (const algorithm of ['md5', 'sha384', 'SHA512', '', 'sha512%20']) {
    const answer = await registry.send('POST', `${uploads}?digest-algorithm=${algorithm}`);
    expectError(answer, 400, 'DIGEST_INVALID');
  }
});

test('a single PUT and a single POST by sha512', async (t) => {
  const registry = await startInProcessRegistry(t);
  const digest = digestOf('one', 'sha512');
  const put = await registry.send('PUT', `${await registry.begin('team/app')}?digest=${digest}`, {
    body: 'one',
  });
  assert.equal(put.status, 201);
  const two = digestOf('two', 'sha512');
  const post = await registry.send('POST', `${uploads}?digest=${two}`, { body: 'two' });
  assert.equal(post.status, 201);
  for (const [wanted, text] of [
    [digest, 'one'],
    [two, 'two'],
  ] as const) {
    const pulled = await registry.send('GET', `/v2/team/app/blobs/${wanted}`, {
      headers: { Range: 'bytes=0-' },
    });
    assert.equal(pulled.body.toString(), text);
    assert.equal(pulled.headers.etag, `"${wanted}"`);
  }
});

test('an upload goes on after a restart, and its status is what was taken', async (t) => {
  const first = await startInProcessRegistry(t);
  const content = randomBytes(150_000);
  const begun = await first.send('POST', `${uploads}?digest-algorithm=sha512`);
  const patched = await first.send('PATCH', begun.headers.location ?? '', {
    body: content.subarray(0, 100_000),
  });
  const location = patched.headers.location ?? '';
  await first.stop();
  const second = await startInProcessRegistry(t, { data: first.data });
  const status = await second.send('GET', location);
  assert.equal(status.status, 204);
  assert.equal(status.headers.range, '0-99999');
  assert.equal(status.headers.location, location);
  const late = await second.send('PATCH', location, { body: 'x', headers: { 'Content-Range': '0-0' } });
  expectError(late, 416, 'SIZE_INVALID');
  assert.equal(late.headers.range, '0-99999');
  const put = await second.send('PUT', `${location}&digest=${digestOf(content, 'sha512')}`, {
    body: content.subarray(100_000),
    headers: { 'Content-Range': '100000-149999' },
  });
  assert.equal(put.status, 201, put.body.toString());
});
