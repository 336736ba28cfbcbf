import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { digestOf, OCI_MANIFEST } from '../support/registry-client.ts';

// distribution-spec, "Conformance", "Pull". Each test is named by its section and the rule that it checks.
const registry = await startInProcessRegistry({ after });
const { digest, bytes, manifest } = await registry.pushImage('conformance/pull', 'latest');
const [layer] = manifest.layers;
assert.ok(layer);
const manifests = '/v2/conformance/pull/manifests';
const blobs = '/v2/conformance/pull/blobs';
const absent = digestOf('absent');

test('Determining Support: GET /v2/ MUST be answered 200', async () => {
  assert.equal((await registry.send('GET', '/v2/')).status, 200);
});

for (const reference of ['latest', digest]) {
  test(`Pulling manifests: GET of an existing one by ${reference} MUST provide it with 200`, async () => {
    const answer = await registry.send('GET', `${manifests}/${reference}`, {
      headers: { Accept: OCI_MANIFEST },
    });
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body, bytes);
  });

  test(`Pulling manifests: the answer for ${reference} SHOULD have the digest, and its Content-Type no parameters`, async () => {
    const { headers } = await registry.send('GET', `${manifests}/${reference}`);
    assert.equal(headers['docker-content-digest'], digest);
    assert.equal(headers['content-type'], OCI_MANIFEST);
  });
}

for (const reference of ['absent', absent, '.INVALID']) {
  test(`Pulling manifests: ${reference}, which is not there, MUST be 404`, async () => {
    assert.equal((await registry.send('GET', `${manifests}/${reference}`)).status, 404);
    assert.equal((await registry.send('GET', `/v2/conformance/none/manifests/${reference}`)).status, 404);
  });
}

test('Pulling blobs: GET of an existing one MUST provide it with 200', async () => {
  const answer = await registry.send('GET', `${blobs}/${layer.digest}`);
  assert.equal(answer.status, 200);
  assert.equal(digestOf(answer.body), layer.digest);
});

test('Pulling blobs: Docker-Content-Digest, if there, MUST match the body', async () => {
  const answer = await registry.send('GET', `${blobs}/${layer.digest}`);
  assert.equal(answer.headers['docker-content-digest'], digestOf(answer.body));
});

test('Pulling blobs: one that is not there MUST be 404', async () => {
  assert.equal((await registry.send('GET', `${blobs}/${absent}`)).status, 404);
  assert.equal((await registry.send('GET', `/v2/conformance/none/blobs/${layer.digest}`)).status, 404);
});

test('Pulling blobs: Range SHOULD be supported as RFC 9110 says', async () => {
  const whole = await registry.send('GET', `${blobs}/${layer.digest}`);
  const part = await registry.send('GET', `${blobs}/${layer.digest}`, { headers: { Range: 'bytes=4-8' } });
  assert.equal(part.status, 206);
  assert.equal(part.headers['content-range'], `bytes 4-8/${layer.size}`);
  assert.deepEqual(part.body, whole.body.subarray(4, 9));
});

for (const [what, path, size, type] of [
  ['blob', `${blobs}/${layer.digest}`, layer.size, layer.digest],
  ['manifest by digest', `${manifests}/${digest}`, bytes.length, digest],
  ['manifest by tag', `${manifests}/latest`, bytes.length, digest],
] as const) {
  test(`Checking if content exists: HEAD of an existing ${what} MUST be 200, with its size and digest`, async () => {
    const answer = await registry.send('HEAD', path);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-length'], String(size));
    assert.equal(answer.headers['docker-content-digest'], type);
    assert.equal(answer.body.length, 0);
  });
}

for (const path of [`${blobs}/${absent}`, `${manifests}/${absent}`, `${manifests}/absent`]) {
  test(`Checking if content exists: HEAD of ${path}, which is not there, MUST be 404`, async () => {
    assert.equal((await registry.send('HEAD', path)).status, 404);
  });
}
