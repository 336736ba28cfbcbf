import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startConformanceRegistry } from '../support/conformance-registry.ts';
import type { HttpAnswer } from '../support/http-client.ts';
import { digestOf, OCI_INDEX, OCI_MANIFEST } from '../support/registry-client.ts';

// distribution-spec, "Conformance", "Push". Each test is named by its section and the rule that it checks.
const registry = await startConformanceRegistry({ after });
const repository = 'conformance/push';
const uploads = `/v2/${repository}/blobs/uploads/`;
const octets = { 'Content-Type': 'application/octet-stream' };
const { digest, bytes, manifest } = await registry.pushImage(repository, 'base');

function locationOf(answer: HttpAnswer): string {
  const { location } = answer.headers;
  assert.ok(location !== undefined, 'there is no Location');
  return location;
}

/** Clients append the digest to whatever query the location has. */
function closing(location: string, content: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${digestOf(content)}`;
}

async function begin(): Promise<string> {
  return locationOf(await registry.send('POST', uploads, { headers: { 'Content-Length': '0' } }));
}

async function expectPullable(location: string, content: string): Promise<void> {
  const answer = await registry.send('GET', location);
  assert.equal(answer.status, 200);
  assert.equal(answer.body.toString(), content);
}

test('POST then PUT: the POST MUST be 202 with a Location that holds a unique session ID', async () => {
  const answers = [await registry.send('POST', uploads), await registry.send('POST', uploads)];
  for (const answer of answers) assert.equal(answer.status, 202);
  const locations = new Set(answers.map(locationOf));
  assert.equal(locations.size, 2);
  for (const location of locations) assert.match(location, /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/);
});

test('POST then PUT: the PUT MUST be 201 with the Location of a blob that can be pulled', async () => {
  const answer = await registry.send('PUT', closing(await begin(), 'monolithic'), {
    body: 'monolithic',
    headers: octets,
  });
  assert.equal(answer.status, 201);
  await expectPullable(locationOf(answer), 'monolithic');
});

test('Single POST: MUST be 201 with the Location of a blob that can be pulled', async () => {
  const answer = await registry.send('POST', closing(uploads, 'single'), { body: 'single', headers: octets });
  assert.equal(answer.status, 201);
  await expectPullable(locationOf(answer), 'single');
});

test('Pushing a blob in chunks: a chunk MUST be 202 with Location and Range', async () => {
  const answer = await registry.send('PATCH', await begin(), {
    body: '0123456789',
    headers: { ...octets, 'Content-Range': '0-9' },
  });
  assert.equal(answer.status, 202);
  assert.equal(answer.headers.range, '0-9');
  locationOf(answer);
});

test('Pushing a blob in chunks: the closing PUT, with or without a last chunk, MUST be 201 with a Location', async () => {
  for (const last of ['', 'klmno']) {
    const content = `abcdefghij${last}`;
    const first = await registry.send('PATCH', await begin(), {
      body: 'abcde',
      headers: { ...octets, 'Content-Range': '0-4' },
    });
    const second = await registry.send('PATCH', locationOf(first), {
      body: 'fghij',
      headers: { ...octets, 'Content-Range': '5-9' },
    });
    const put = await registry.send('PUT', closing(locationOf(second), content), {
      body: last,
      headers: last === '' ? {} : { ...octets, 'Content-Range': '10-14' },
    });
    assert.equal(put.status, 201, put.body.toString());
    await expectPullable(locationOf(put), content);
  }
});

test('Pushing a blob in chunks: a chunk out of order MUST be 416, and the upload can go on', async () => {
  const first = await registry.send('PATCH', await begin(), {
    body: 'abcde',
    headers: { ...octets, 'Content-Range': '0-4' },
  });
  for (const range of ['0-4', '6-10']) {
    const refused = await registry.send('PATCH', locationOf(first), {
      body: 'fghij',
      headers: { ...octets, 'Content-Range': range },
    });
    assert.equal(refused.status, 416);
  }
  const second = await registry.send('PATCH', locationOf(first), {
    body: 'fghij',
    headers: { ...octets, 'Content-Range': '5-9' },
  });
  assert.equal(second.status, 202);
});

test('Pushing a blob in chunks: GET of the upload MUST be 204 with Location and Range', async () => {
  const first = await registry.send('PATCH', await begin(), {
    body: 'abcde',
    headers: { ...octets, 'Content-Range': '0-4' },
  });
  const status = await registry.send('GET', locationOf(first));
  assert.equal(status.status, 204);
  assert.equal(status.headers.range, '0-4');
  locationOf(status);
});

test('Cancel a blob upload: DELETE is 204, and the upload is gone', async () => {
  const location = await begin();
  assert.equal((await registry.send('DELETE', location)).status, 204);
  assert.equal((await registry.send('GET', location)).status, 404);
});

test('Mounting: a blob of another repository MUST be 201 with the Location of the mounted blob', async () => {
  const blob = await registry.pushBlob('conformance/source', 'mounted');
  const answer = await registry.send('POST', `${uploads}?mount=${blob.digest}&from=conformance/source`);
  assert.equal(answer.status, 201);
  assert.ok(locationOf(answer).includes(`/v2/${repository}/`));
  await expectPullable(locationOf(answer), 'mounted');
});

test('Mounting: what cannot be mounted SHOULD be 202 with the Location of an upload', async () => {
  const answer = await registry.send(
    'POST',
    `${uploads}?mount=${digestOf('absent')}&from=conformance/source`,
  );
  assert.equal(answer.status, 202);
  const put = await registry.send('PUT', closing(locationOf(answer), 'absent'), { body: 'absent' });
  assert.equal(put.status, 201);
});

test('Pushing Manifests: MUST be 201 with the Location of a manifest that can be pulled, bytes as they were', async () => {
  for (const reference of ['tag', digest]) {
    const answer = await registry.send('PUT', `/v2/${repository}/manifests/${reference}`, {
      body: bytes,
      headers: { 'Content-Type': OCI_MANIFEST },
    });
    assert.equal(answer.status, 201);
    assert.equal(answer.headers['docker-content-digest'], digest);
    const pulled = await registry.send('GET', locationOf(answer));
    assert.deepEqual(pulled.body, bytes);
  }
});

test('Pushing Manifests: one of at least 4 MiB is taken, a larger one is 413', async () => {
  const sized = (size: number) => {
    const padded = { ...manifest, annotations: { padding: '' } };
    padded.annotations.padding = 'x'.repeat(size - JSON.stringify(padded).length);
    return JSON.stringify(padded);
  };
  const put = (body: string) =>
    registry.send('PUT', `/v2/${repository}/manifests/big`, {
      body,
      headers: { 'Content-Type': OCI_MANIFEST },
    });
  assert.equal((await put(sized(4 * 1024 * 1024))).status, 201);
  assert.equal((await put(sized(4 * 1024 * 1024 + 1))).status, 413);
});

test('Pushing Manifests with Subject: MUST be accepted when the subject is not there, with OCI-Subject', async () => {
  const subject = { mediaType: OCI_MANIFEST, digest: digestOf('no such manifest'), size: 16 };
  for (const [mediaType, body] of [
    [OCI_MANIFEST, { ...manifest, subject }],
    [OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], subject }],
  ] as const) {
    const answer = await registry.send('PUT', `/v2/${repository}/manifests/with-subject`, {
      body: JSON.stringify(body),
      headers: { 'Content-Type': mediaType },
    });
    assert.equal(answer.status, 201, answer.body.toString());
    assert.equal(answer.headers['oci-subject'], subject.digest);
  }
});

test('Pushing Manifests: media types of config and layers are not restricted', async () => {
  const custom = {
    ...manifest,
    artifactType: 'application/vnd.example.thing',
    config: { ...manifest.config, mediaType: 'application/vnd.oci.empty.v1+json' },
    layers: manifest.layers.map((layer) => ({ ...layer, mediaType: 'application/vnd.example.data.v1' })),
  };
  await registry.pushManifest(repository, 'custom', custom);
});

for (const [what, bad] of [
  ["not the content's", digestOf('something else')],
  ['of an algorithm that is not supported', `sha999:${'a'.repeat(64)}`],
  ['of an algorithm of old', `md5:${'a'.repeat(32)}`],
  ['too short', 'sha256:abc'],
  ['of upper case', `sha256:${'A'.repeat(64)}`],
  ['no digest at all', 'latest'],
] as const) {
  test(`Pushing blobs: a digest that is ${what} SHOULD be 400, in every way of pushing`, async () => {
    const content = 'refused content';
    const digestQuery = `digest=${encodeURIComponent(bad)}`;
    const put = await registry.send('PUT', `${await begin()}?${digestQuery}`, {
      body: content,
      headers: octets,
    });
    assert.equal(put.status, 400);
    const post = await registry.send('POST', `${uploads}?${digestQuery}`, { body: content, headers: octets });
    assert.equal(post.status, 400);
    const patched = await registry.send('PATCH', await begin(), { body: content, headers: octets });
    assert.equal((await registry.send('PUT', `${locationOf(patched)}?${digestQuery}`)).status, 400);
    assert.equal((await registry.send('HEAD', `/v2/${repository}/blobs/${digestOf(content)}`)).status, 404);
  });
}

test("Single POST: a body that is shorter or longer than its digest's content MUST NOT become that blob", async () => {
  const content = 'exactly this';
  for (const body of ['exactly', 'exactly this and more']) {
    const answer = await registry.send('POST', closing(uploads, content), { body, headers: octets });
    assert.equal(answer.status, 400);
  }
  assert.equal((await registry.send('HEAD', `/v2/${repository}/blobs/${digestOf(content)}`)).status, 404);
});

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`Pushing a blob in chunks: the digest-algorithm ${algorithm} that is announced can be pushed`, async () => {
    const content = `announced as ${algorithm}`;
    const post = await registry.send('POST', `${uploads}?digest-algorithm=${algorithm}`);
    assert.equal(post.status, 202);
    const patched = await registry.send('PATCH', locationOf(post), { body: content, headers: octets });
    const location = locationOf(patched);
    const end = `${location}${location.includes('?') ? '&' : '?'}digest=${digestOf(content, algorithm)}`;
    const put = await registry.send('PUT', end);
    assert.equal(put.status, 201, put.body.toString());
    await expectPullable(locationOf(put), content);
  });
}

test('Pushing a blob in chunks: a digest-algorithm that is not supported SHOULD be 400', async () => {
  assert.equal((await registry.send('POST', `${uploads}?digest-algorithm=sha999`)).status, 400);
});

test('Pushing a blob in chunks: no OCI-Chunk-Min-Length, so a chunk of one byte is taken', async () => {
  const post = await registry.send('POST', uploads, { headers: { 'Content-Length': '0' } });
  assert.equal(post.headers['oci-chunk-min-length'], undefined);
  let location = locationOf(post);
  for (const [position, byte] of [...'abc'].entries()) {
    const answer = await registry.send('PATCH', location, {
      body: byte,
      headers: { ...octets, 'Content-Range': `${position}-${position}` },
    });
    assert.equal(answer.status, 202);
    assert.equal(answer.headers.range, `0-${position}`);
    location = locationOf(answer);
  }
  assert.equal((await registry.send('PUT', closing(location, 'abc'))).status, 201);
});

test('Pushing a blob in chunks: a first chunk that does not begin with 0 MUST be 416', async () => {
  const answer = await registry.send('PATCH', await begin(), {
    body: 'abcde',
    headers: { ...octets, 'Content-Range': '5-9' },
  });
  assert.equal(answer.status, 416);
});

test('Pushing a blob in chunks: a last chunk in the PUT out of order MUST be 416, and the upload can be ended', async () => {
  const first = await registry.send('PATCH', await begin(), {
    body: 'vwxyz',
    headers: { ...octets, 'Content-Range': '0-4' },
  });
  for (const range of ['0-4', '4-8', '6-10']) {
    const refused = await registry.send('PUT', closing(locationOf(first), 'vwxyz12345'), {
      body: '12345',
      headers: { ...octets, 'Content-Range': range },
    });
    assert.equal(refused.status, 416, range);
    const status = await registry.send('GET', locationOf(first));
    assert.equal(status.status, 204);
    assert.equal(status.headers.range, '0-4');
  }
  const put = await registry.send('PUT', closing(locationOf(first), 'vwxyz12345'), {
    body: '12345',
    headers: { ...octets, 'Content-Range': '5-9' },
  });
  assert.equal(put.status, 201);
});

test('Pushing a blob in chunks: the location of any earlier answer is good for the status', async () => {
  const location = await begin();
  const empty = await registry.send('GET', location);
  assert.equal(empty.status, 204);
  assert.match(String(empty.headers.range), /^0-/);
  await registry.send('PATCH', location, { body: 'abcde', headers: octets });
  assert.equal((await registry.send('GET', location)).headers.range, '0-4');
});

test('Cancel a blob upload: a request to an upload that was cancelled is 404', async () => {
  const location = await begin();
  await registry.send('DELETE', location);
  assert.equal((await registry.send('PATCH', location, { body: 'x', headers: octets })).status, 404);
  assert.equal((await registry.send('PUT', closing(location, 'x'), { body: 'x' })).status, 404);
  assert.equal((await registry.send('DELETE', location)).status, 404);
});

test('Mounting: without from, a blob that another repository has is mounted', async () => {
  const blob = await registry.pushBlob('conformance/source', 'mounted from anywhere');
  const answer = await registry.send('POST', `${uploads}?mount=${blob.digest}`);
  assert.equal(answer.status, 201);
  assert.equal(answer.headers['docker-content-digest'], blob.digest);
  await expectPullable(locationOf(answer), 'mounted from anywhere');
});

test('Mounting: without from, what is nowhere SHOULD be 202 with the Location of an upload', async () => {
  const answer = await registry.send('POST', `${uploads}?mount=${digestOf('nowhere at all')}`);
  assert.equal(answer.status, 202);
  locationOf(answer);
});

test('Pushing Manifests: parameters of the Content-Type SHOULD be ignored', async () => {
  const answer = await registry.send('PUT', `/v2/${repository}/manifests/parameters`, {
    body: bytes,
    headers: { 'Content-Type': `${OCI_MANIFEST}; charset=utf-8; x="y;z"` },
  });
  assert.equal(answer.status, 201);
  const pulled = await registry.send('GET', `/v2/${repository}/manifests/parameters`);
  assert.equal(pulled.headers['content-type'], OCI_MANIFEST);
});

test("Pushing Manifests: a digest that is not the content's is 400, and MUST NOT be there afterwards", async () => {
  const other = digestOf('another manifest');
  const answer = await registry.send('PUT', `/v2/${repository}/manifests/${other}`, {
    body: bytes,
    headers: { 'Content-Type': OCI_MANIFEST },
  });
  assert.equal(answer.status, 400);
  assert.equal((await registry.send('GET', `/v2/${repository}/manifests/${other}`)).status, 404);
});

test('Pushing Manifests: the list of blobs MAY be empty', async () => {
  await registry.pushManifest(repository, 'no-layers', { ...manifest, layers: [] });
});

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`Pushing Manifests: ten tags in one push by ${algorithm} SHOULD be set, and OCI-Tag MUST name each`, async () => {
    const body = JSON.stringify({ ...manifest, annotations: { by: algorithm } });
    const wanted = digestOf(body, algorithm);
    const tags = Array.from({ length: 10 }, (_, index) => `${algorithm}-${index}`);
    const query = tags.map((tag) => `tag=${tag}`).join('&');
    const answer = await registry.send('PUT', `/v2/${repository}/manifests/${wanted}?${query}`, {
      body,
      headers: { 'Content-Type': OCI_MANIFEST },
    });
    assert.equal(answer.status, 201, answer.body.toString());
    assert.equal(answer.headers['docker-content-digest'], wanted);
    const accepted = String(answer.headers['oci-tag'])
      .split(',')
      .map((tag) => tag.trim());
    assert.deepEqual(accepted, tags);
    for (const tag of tags) {
      const pulled = await registry.send('GET', `/v2/${repository}/manifests/${tag}`);
      assert.equal(pulled.body.toString(), body);
      assert.equal(pulled.headers['docker-content-digest'], wanted);
    }
  });
}

test('Pushing Manifests: a push of too many tags MAY be 414', async () => {
  const query = Array.from({ length: 200 }, (_, index) => `tag=many-${index}`).join('&');
  const answer = await registry.send('PUT', `/v2/${repository}/manifests/${digest}?${query}`, {
    body: bytes,
    headers: { 'Content-Type': OCI_MANIFEST },
  });
  assert.equal(answer.status, 414);
});

test('Pushing Manifests: a pull from a repository that does not exist MUST be 404', async () => {
  for (const path of ['manifests/latest', `manifests/${digest}`, `blobs/${digest}`, 'tags/list']) {
    for (const method of ['GET', 'HEAD']) {
      assert.equal(
        (await registry.send(method, `/v2/conformance/nowhere/${path}`)).status,
        404,
        `${method} ${path}`,
      );
    }
  }
});

test('Pushing Manifests with Subject: without a subject there is no OCI-Subject', async () => {
  const answer = await registry.send('PUT', `/v2/${repository}/manifests/no-subject`, {
    body: bytes,
    headers: { 'Content-Type': OCI_MANIFEST },
  });
  assert.equal(answer.headers['oci-subject'], undefined);
});
