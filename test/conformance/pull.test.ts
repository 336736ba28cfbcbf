import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startConformanceRegistry } from '../support/conformance-registry.ts';
import { digestOf, OCI_INDEX, OCI_MANIFEST } from '../support/registry-client.ts';

// distribution-spec, "Conformance", "Pull". Each test is named by its section and the rule that it checks.
const registry = await startConformanceRegistry({ after });
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

  test(`Pulling manifests: the answer for ${reference} MUST have the digest, and its Content-Type SHOULD have no parameters`, async () => {
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

test('Pulling manifests: the Content-Type SHOULD be the one that it was pushed with, whatever is accepted', async () => {
  const index = { schemaVersion: 2, manifests: [{ mediaType: OCI_MANIFEST, digest, size: bytes.length }] };
  const pushed = await registry.pushManifest('conformance/pull', 'index', index, OCI_INDEX);
  for (const Accept of [OCI_INDEX, OCI_MANIFEST, '*/*', `${OCI_MANIFEST}, ${OCI_INDEX};q=0.1`]) {
    for (const reference of ['index', pushed]) {
      const answer = await registry.send('GET', `${manifests}/${reference}`, { headers: { Accept } });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['content-type'], OCI_INDEX);
    }
  }
});

for (const name of ['a', 'a/b', 'a.b_c__d-e--f/0', 'a0/b1/c2/d3/e4', 'a'.repeat(200)]) {
  test(`Pulling manifests: ${name.slice(0, 20)} matches the expression that a name MUST match, and is a name`, async () => {
    const image = await registry.pushImage(name, 'latest');
    assert.equal((await registry.send('GET', `/v2/${name}/manifests/${image.digest}`)).status, 200);
  });
}

for (const name of ['A', 'a..b', 'a___b', '-a', 'a-', 'a//b', '/a', 'a/', 'a b', 'a+b', '_a']) {
  test(`Pulling manifests: "${name}" does not match the expression that a name MUST match, and is refused`, async () => {
    const answer = await registry.send('GET', `/v2/${name.replaceAll(' ', '%20')}/manifests/latest`);
    assert.ok([400, 404].includes(answer.status), String(answer.status));
    const push = await registry.send('POST', `/v2/${name.replaceAll(' ', '%20')}/blobs/uploads/`);
    assert.ok([400, 404].includes(push.status), String(push.status));
  });
}

test('Pulling manifests: a tag MUST be of at most 128 characters of the expression', async () => {
  for (const tag of ['a', '_', 'A.b-c_d', '1'.repeat(128)]) {
    await registry.pushManifest('conformance/pull', tag, manifest);
    assert.equal((await registry.send('GET', `${manifests}/${tag}`)).status, 200);
  }
  for (const tag of ['1'.repeat(129), '.a', '-a', 'a+b', 'a%20b', 'a:b', 'a@b']) {
    const put = await registry.send('PUT', `${manifests}/${tag}`, {
      body: bytes,
      headers: { 'Content-Type': OCI_MANIFEST },
    });
    assert.equal(put.status, 400, tag);
    assert.equal((await registry.send('GET', `${manifests}/${tag}`)).status, 404, tag);
  }
});

for (const [range, start, end] of [
  ['bytes=0-0', 0, 0],
  ['bytes=5-', 5, layer.size - 1],
  ['bytes=-3', layer.size - 3, layer.size - 1],
  ['bytes=2-99999', 2, layer.size - 1],
] as const) {
  test(`Pulling blobs: Range SHOULD be supported: ${range} is 206 with just that`, async () => {
    const whole = await registry.send('GET', `${blobs}/${layer.digest}`);
    const part = await registry.send('GET', `${blobs}/${layer.digest}`, { headers: { Range: range } });
    assert.equal(part.status, 206);
    assert.deepEqual(part.body, whole.body.subarray(start, end + 1));
    assert.equal(part.headers['content-range'], `bytes ${start}-${end}/${layer.size}`);
  });
}

test('Pulling blobs: Range SHOULD be supported: beyond the end it is 416 with the size', async () => {
  const beyond = await registry.send('GET', `${blobs}/${layer.digest}`, {
    headers: { Range: `bytes=${layer.size}-` },
  });
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers['content-range'], `bytes */${layer.size}`);
});

test('Pulling blobs: an algorithm other than sha256 is pulled by its own digest, which MUST match the body', async () => {
  const content = 'by sha512';
  const wanted = digestOf(content, 'sha512');
  await registry.send('POST', `/v2/conformance/pull/blobs/uploads/?digest=${wanted}`, { body: content });
  const answer = await registry.send('GET', `${blobs}/${wanted}`);
  assert.equal(answer.body.toString(), content);
  assert.equal(answer.headers['docker-content-digest'], wanted);
  const head = await registry.send('HEAD', `${blobs}/${wanted}`);
  assert.equal(head.headers['docker-content-digest'], wanted);
});
