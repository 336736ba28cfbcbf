import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startConformanceRegistry } from '../support/conformance-registry.ts';
import { digestOf, OCI_INDEX, OCI_MANIFEST } from '../support/registry-client.ts';

// distribution-spec, "API", "Warnings", "Registry Proxying". Each test is named by its section and the rule that it checks.
const registry = await startConformanceRegistry({ after });
const { digest, bytes, manifest } = await registry.pushImage('conformance/api', 'latest');
const base = '/v2/conformance/api';

test('API: SHOULD follow RFC 9110: HEAD answers as GET does, without a body', async () => {
  const upload = await registry.begin('conformance/api');
  for (const path of [
    '/v2/',
    '/v2/_catalog',
    `${base}/tags/list`,
    `${base}/manifests/latest`,
    `${base}/manifests/${digest}`,
    `${base}/blobs/${manifest.config.digest}`,
    `${base}/referrers/${digest}`,
    `${base}/manifests/none`,
    `${base}/blobs/${digestOf('none')}`,
    '/v2/conformance/none/tags/list',
    upload,
  ]) {
    const get = await registry.send('GET', path);
    const head = await registry.send('HEAD', path);
    assert.equal(head.status, get.status, path);
    assert.equal(head.body.length, 0, path);
    for (const name of [
      'content-type',
      'content-length',
      'docker-content-digest',
      'etag',
      'location',
      'range',
    ]) {
      assert.equal(head.headers[name], get.headers[name], `${path}: ${name}`);
    }
  }
});

test('API: SHOULD follow RFC 9110: a method that is not supported is 405 with the ones that are', async () => {
  for (const [method, path, allowed] of [
    ['PUT', '/v2/', 'GET'],
    ['POST', `${base}/manifests/latest`, 'PUT'],
    ['PATCH', `${base}/manifests/latest`, 'DELETE'],
    ['PUT', `${base}/blobs/${digest}`, 'GET'],
    ['DELETE', `${base}/tags/list`, 'GET'],
    ['POST', `${base}/referrers/${digest}`, 'GET'],
  ] as const) {
    const answer = await registry.send(method, path);
    assert.equal(answer.status, 405, `${method} ${path}`);
    assert.ok(
      answer.headers.allow?.split(', ').includes(allowed),
      `${method} ${path}: ${answer.headers.allow}`,
    );
  }
});

for (const [what, path, tag] of [
  ['manifest by tag', `${base}/manifests/latest`, digest],
  ['manifest by digest', `${base}/manifests/${digest}`, digest],
  ['blob', `${base}/blobs/${manifest.config.digest}`, manifest.config.digest],
] as const) {
  test(`API: SHOULD follow RFC 9110: a ${what} that has not changed is 304`, async () => {
    assert.equal((await registry.send('GET', path)).headers.etag, `"${tag}"`);
    for (const condition of [`"${tag}"`, tag, `W/"${tag}"`, `"x", "${tag}"`, `"x",W/"${tag}"`, '*']) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await registry.send(method, path, { headers: { 'If-None-Match': condition } });
        assert.equal(answer.status, 304, `${method} ${condition}`);
        assert.equal(answer.body.length, 0);
        assert.equal(answer.headers.etag, `"${tag}"`);
      }
    }
    for (const condition of ['"x"', 'x', `"${tag.slice(0, -1)}"`, '""']) {
      const answer = await registry.send('GET', path, { headers: { 'If-None-Match': condition } });
      assert.equal(answer.status, 200, condition);
    }
  });
}

test('Determining Support: /v2/ is 200, and says which API it is', async () => {
  const answer = await registry.send('GET', '/v2/');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
});

test('Warnings: MUST be 299 and - without a date, and MUST NOT be more than 4096 bytes', async () => {
  const member = { mediaType: OCI_MANIFEST, digest, size: bytes.length };
  const absent = Array.from({ length: 500 }, (_, index) => ({
    ...member,
    digest: digestOf(`absent ${index}`),
  }));
  const answer = await registry.send('PUT', `${base}/manifests/sparse`, {
    body: JSON.stringify({ schemaVersion: 2, manifests: [member, ...absent] }),
    headers: { 'Content-Type': OCI_INDEX },
  });
  assert.equal(answer.status, 201);
  const { warning } = answer.headers;
  assert.match(String(warning), /^299 - "[^"]+"$/);
  assert.ok(Buffer.byteLength(String(warning)) <= 4096);
});

test('Registry Proxying: ns MAY be ignored: then there is no OCI-Namespace', async () => {
  const answer = await registry.send('GET', `${base}/manifests/latest?ns=registry.example.org`);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['oci-namespace'], undefined);
});
