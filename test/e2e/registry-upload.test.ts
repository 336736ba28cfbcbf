import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import test from 'node:test';
import { type HttpAnswer, type HttpRequest, sendRequest } from '../support/http-client.ts';
import { pseudoRandomStream } from '../support/pseudo-random.ts';
import { startRegistry } from '../support/registry-process.ts';

const options = { timeout: 900_000 };
const SIZE = 3_000_000;
const octets = { 'content-type': 'application/octet-stream' };

async function makeBlob(seed: string): Promise<{ readonly content: Buffer; readonly digest: string }> {
  const content = await buffer(pseudoRandomStream(SIZE, seed));
  return { content, digest: `sha256:${createHash('sha256').update(content).digest('hex')}` };
}

/** Where the next request of an upload goes, as clients read it. */
function nextUrl(answer: HttpAnswer, base: string, digest?: string): string {
  const url = new URL(answer.headers.location ?? '', base);
  if (digest !== undefined) url.searchParams.append('digest', digest);
  return url.href;
}

async function expectBlob(
  url: string,
  name: string,
  digest: string,
  content: Buffer,
  user?: HttpRequest['user'],
) {
  const answer = await sendRequest(`${url}/v2/${name}/blobs/${digest}`, user === undefined ? {} : { user });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['docker-content-digest'], digest);
  assert.ok(answer.body.equals(content));
}

test('containerd and oras: POST, then one PUT with the whole body', options, async (t) => {
  const { url } = await startRegistry(t);
  const { content, digest } = await makeBlob('monolithic');
  const begun = await sendRequest(`${url}/v2/a/b/blobs/uploads/`, { method: 'POST', body: '' });
  assert.equal(begun.status, 202);
  assert.equal(begun.headers.range, '0-0');
  const put = await sendRequest(nextUrl(begun, url, digest), {
    method: 'PUT',
    headers: octets,
    body: content,
  });
  assert.equal(put.status, 201);
  assert.equal(put.headers['docker-content-digest'], digest);
  await expectBlob(url, 'a/b', digest, content);
});

test('a single POST with the digest', options, async (t) => {
  const { url } = await startRegistry(t);
  const { content, digest } = await makeBlob('single');
  const posted = await sendRequest(`${url}/v2/a/b/blobs/uploads/?digest=${digest}`, {
    method: 'POST',
    headers: octets,
    body: content,
  });
  assert.equal(posted.status, 201);
  await expectBlob(url, 'a/b', digest, content);
});

test('docker: one PATCH without length or range, then an empty PUT', options, async (t) => {
  const { url } = await startRegistry(t);
  const { content, digest } = await makeBlob('docker');
  const begun = await sendRequest(`${url}/v2/a/b/blobs/uploads/`, { method: 'POST', body: '' });
  const patched = await sendRequest(nextUrl(begun, url), {
    method: 'PATCH',
    headers: octets,
    body: Readable.from([content.subarray(0, 1_000_000), content.subarray(1_000_000)]),
  });
  assert.equal(patched.status, 202);
  assert.equal(patched.headers.range, `0-${SIZE - 1}`);
  const put = await sendRequest(nextUrl(patched, url, digest), { method: 'PUT', body: '' });
  assert.equal(put.status, 201);
  await expectBlob(url, 'a/b', digest, content);
});

test('crane and podman: a PATCH with a length and no range, then an empty PUT', options, async (t) => {
  const { url } = await startRegistry(t);
  const { content, digest } = await makeBlob('crane');
  const begun = await sendRequest(`${url}/v2/a/b/blobs/uploads/`, { method: 'POST', body: '' });
  const patched = await sendRequest(nextUrl(begun, url), { method: 'PATCH', headers: octets, body: content });
  const put = await sendRequest(nextUrl(patched, url, digest), { method: 'PUT', body: '' });
  assert.deepEqual([patched.status, put.status], [202, 201]);
  await expectBlob(url, 'a/b', digest, content);
});

test(
  'chunks with ranges, the last one in the PUT; a chunk out of order leaves the session as it was',
  options,
  async (t) => {
    const { url } = await startRegistry(t);
    const { content, digest } = await makeBlob('chunks');
    const chunk = (start: number, end: number): Pick<HttpRequest, 'headers' | 'body'> => ({
      headers: { ...octets, 'content-range': `${start}-${end - 1}` },
      body: content.subarray(start, end),
    });
    let last = await sendRequest(`${url}/v2/a/b/blobs/uploads/`, { method: 'POST', body: '' });
    last = await sendRequest(nextUrl(last, url), { method: 'PATCH', ...chunk(0, 1_000_000) });
    assert.equal(last.headers.range, '0-999999');

    const early = await sendRequest(nextUrl(last, url), { method: 'PATCH', ...chunk(2_000_000, SIZE) });
    assert.equal(early.status, 416);
    const state = await sendRequest(nextUrl(last, url));
    assert.deepEqual([state.status, state.headers.range], [204, '0-999999']);

    last = await sendRequest(nextUrl(state, url), { method: 'PATCH', ...chunk(1_000_000, 2_000_000) });
    assert.equal(last.status, 202);
    const put = await sendRequest(nextUrl(last, url, digest), { method: 'PUT', ...chunk(2_000_000, SIZE) });
    assert.equal(put.status, 201);
    await expectBlob(url, 'a/b', digest, content);
  },
);

test('an upload goes on after the registry was killed and started again', options, async (t) => {
  const registry = await startRegistry(t);
  const { url } = registry;
  const { content, digest } = await makeBlob('resumed');
  const begun = await sendRequest(`${url}/v2/a/b/blobs/uploads/`, { method: 'POST', body: '' });
  const patched = await sendRequest(nextUrl(begun, url), {
    method: 'PATCH',
    headers: octets,
    body: content.subarray(0, 2_000_000),
  });
  await registry.kill();
  await registry.restart();
  const state = await sendRequest(nextUrl(patched, url));
  assert.deepEqual([state.status, state.headers.range], [204, '0-1999999']);
  const put = await sendRequest(nextUrl(state, url, digest), {
    method: 'PUT',
    headers: { ...octets, 'content-range': `2000000-${SIZE - 1}` },
    body: content.subarray(2_000_000),
  });
  assert.equal(put.status, 201);
  await expectBlob(url, 'a/b', digest, content);
});

test(
  'a blob with another digest than it was announced with is refused, and can be sent again',
  options,
  async (t) => {
    const { url } = await startRegistry(t);
    const { content, digest } = await makeBlob('right');
    const wrong = await sendRequest(`${url}/v2/a/b/blobs/uploads/`, { method: 'POST', body: '' });
    const refused = await sendRequest(nextUrl(wrong, url, digest), {
      method: 'PUT',
      headers: octets,
      body: content.subarray(1),
    });
    assert.equal(refused.status, 400);
    assert.equal(JSON.parse(refused.body.toString()).errors[0].code, 'DIGEST_INVALID');
    assert.equal((await sendRequest(`${url}/v2/a/b/blobs/${digest}`, { method: 'HEAD' })).status, 404);
    const again = await sendRequest(`${url}/v2/a/b/blobs/uploads/`, { method: 'POST', body: '' });
    const put = await sendRequest(nextUrl(again, url, digest), {
      method: 'PUT',
      headers: octets,
      body: content,
    });
    assert.equal(put.status, 201);
  },
);

test('a blob is mounted from a repository that has it, and uploaded where none has', options, async (t) => {
  const { url } = await startRegistry(t);
  const { content, digest } = await makeBlob('mount');
  const mount = `${url}/v2/other/blobs/uploads/?mount=${digest}&from=a/b`;
  assert.equal((await sendRequest(mount, { method: 'POST', body: '' })).status, 202);
  await sendRequest(`${url}/v2/a/b/blobs/uploads/?digest=${digest}`, {
    method: 'POST',
    headers: octets,
    body: content,
  });
  assert.equal((await sendRequest(mount, { method: 'POST', body: '' })).status, 201);
  await expectBlob(url, 'other', digest, content);
});

test(
  'with authentication, an upload needs the admin and its session is closed to others',
  options,
  async (t) => {
    const adminPassword = 'right-password';
    const { url } = await startRegistry(t, { adminPassword });
    const { content, digest } = await makeBlob('auth');
    const user = { name: 'admin', password: adminPassword };
    const uploads = `${url}/v2/a/b/blobs/uploads/`;
    const anonymous = await sendRequest(uploads, { method: 'POST', body: '' });
    assert.equal(anonymous.status, 401);
    assert.match(String(anonymous.headers['www-authenticate']), /^Bearer realm=/);
    const begun = await sendRequest(uploads, { method: 'POST', body: '', user });
    assert.equal(begun.status, 202);
    const put = { method: 'PUT', headers: octets, body: content };
    assert.equal((await sendRequest(nextUrl(begun, url, digest), put)).status, 401);
    assert.equal((await sendRequest(nextUrl(begun, url, digest), { ...put, user })).status, 201);
    assert.equal((await sendRequest(`${url}/v2/a/b/blobs/${digest}`)).status, 401);
    await expectBlob(url, 'a/b', digest, content, user);
  },
);
