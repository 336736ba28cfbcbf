import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { digestOf, OCI_INDEX, OCI_MANIFEST } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';

const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

test('a manifest comes back byte for byte with its own media type, whatever the client accepts', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { manifest } = await registry.pushImage('team/app', '0');
  for (const mediaType of [OCI_MANIFEST, DOCKER_MANIFEST]) {
    // Spaces, order and escapes are part of the digest.
    const body = `{ "mediaType":"${mediaType}",\n"layers":${JSON.stringify(manifest.layers)}, "schemaVersion":2,\t"config":${JSON.stringify(manifest.config)}, "annotations":{"\\u0061":"ü"} }\n`;
    const put = await registry.send('PUT', '/v2/team/app/manifests/1', {
      body,
      headers: { 'Content-Type': `${mediaType}; charset=utf-8` },
    });
    assert.equal(put.status, 201, put.body.toString());
    const digest = digestOf(body);
    assert.equal(put.headers['docker-content-digest'], digest);
    assert.equal(put.headers.location, `/v2/team/app/manifests/${digest}`);
    for (const reference of ['1', digest, encodeURIComponent(digest)]) {
      for (const accept of [mediaType, 'application/json', '*/*', `${OCI_INDEX}, text/html;q=0.1`]) {
        const headers = { Accept: accept };
        const pulled = await registry.send('GET', `/v2/team/app/manifests/${reference}`, { headers });
        assert.equal(pulled.status, 200);
        assert.equal(pulled.body.toString(), body);
        assert.equal(pulled.headers['content-type'], mediaType);
        assert.equal(pulled.headers['docker-content-digest'], digest);
        const head = await registry.send('HEAD', `/v2/team/app/manifests/${reference}`, { headers });
        assert.equal(head.status, 200);
        assert.equal(head.body.length, 0);
        assert.equal(head.headers['content-type'], mediaType);
        assert.equal(head.headers['content-length'], String(Buffer.byteLength(body)));
        assert.equal(head.headers['docker-content-digest'], digest);
      }
    }
  }
});

test('ETag and If-None-Match', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest } = await registry.pushImage('team/app', '1');
  const path = '/v2/team/app/manifests/1';
  assert.equal((await registry.send('GET', path)).headers.etag, `"${digest}"`);
  for (const tag of [`"${digest}"`, digest, `W/"${digest}"`]) {
    const answer = await registry.send('GET', path, { headers: { 'If-None-Match': tag } });
    assert.equal(answer.status, 304);
    assert.equal(answer.headers.etag, `"${digest}"`);
  }
  const other = await registry.send('GET', path, { headers: { 'If-None-Match': '"sha256:other"' } });
  assert.equal(other.status, 200);
});

test("If-Match on reads: 412 in the protocol's form, out of memory as well", async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest, manifest } = await registry.pushImage('team/app', '1');
  const blob = manifest.config.digest;
  for (const [path, tag] of [
    ['/v2/team/app/manifests/1', digest],
    [`/v2/team/app/manifests/${digest}`, digest],
    [`/v2/team/app/blobs/${blob}`, blob],
  ] as const) {
    const status = async (method: string, headers: Readonly<Record<string, string>>) =>
      (await registry.send(method, path, { headers })).status;
    for (const method of ['GET', 'HEAD', 'GET']) {
      assert.equal(await status(method, { 'If-Match': `"x", "${tag}"` }), 200);
      assert.equal(await status(method, { 'If-Match': '*' }), 200);
      assert.equal(await status(method, { 'If-Match': '"sha256:other"' }), 412);
      assert.equal(await status(method, { 'If-Match': `W/"${tag}"` }), 412, 'a weak tag');
      assert.equal(await status(method, { 'If-Match': '"other"', 'If-None-Match': `"${tag}"` }), 412);
      assert.equal(await status(method, { 'If-Match': `"${tag}"`, 'If-None-Match': `"${tag}"` }), 304);
      // There is no date of a last change to compare with (RFC 9110, sections 13.1.3 and 13.1.4).
      const date = 'Fri, 01 Jan 2100 00:00:00 GMT';
      assert.equal(await status(method, { 'If-Modified-Since': date, 'If-Unmodified-Since': date }), 200);
      assert.equal(await status(method, {}), 200);
    }
    expectError(await registry.send('GET', path, { headers: { 'If-Match': '"x"' } }), 412, 'DENIED');
  }
  assert.equal(
    (await registry.send('GET', '/v2/team/app/manifests/none', { headers: { 'If-Match': '"x"' } })).status,
    404,
  );
});

test('a tag is set and deleted only while it is what the request expects', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest: first, manifest } = await registry.pushImage('team/app', 'base');
  const bodyOf = (text: string) => JSON.stringify({ ...manifest, annotations: { text } });
  const put = (reference: string, body: string, headers: Readonly<Record<string, string>>) =>
    registry.send('PUT', `/v2/team/app/manifests/${reference}`, {
      body,
      headers: { 'Content-Type': OCI_MANIFEST, ...headers },
    });
  const create = { 'If-None-Match': '*' };
  expectError(await put('new', bodyOf('1'), { 'If-Match': '*' }), 412, 'DENIED');
  assert.equal((await put('new', bodyOf('1'), create)).status, 201);
  expectError(await put('new', bodyOf('2'), create), 412, 'DENIED');
  const one = digestOf(bodyOf('1'));
  const replace = { 'If-Match': `"${one}"` };
  expectError(await put('new', bodyOf('2'), { 'If-Match': `"${first}"` }), 412, 'DENIED');
  assert.equal((await put('new', bodyOf('2'), replace)).status, 201);
  assert.equal((await put('new', bodyOf('2'), replace)).status, 201, 'again: the answer was lost');
  expectError(await put('new', bodyOf('3'), replace), 412, 'DENIED');
  const refused = await registry.send('GET', `/v2/team/app/manifests/${digestOf(bodyOf('3'))}`);
  assert.equal(refused.status, 404, 'what was refused has changed nothing');
  expectError(await put('new', '{', { 'If-Match': '"x"' }), 400, 'MANIFEST_INVALID');

  const two = digestOf(bodyOf('2'));
  expectError(await put(two, bodyOf('2'), create), 412, 'DENIED');
  assert.equal((await put(two, bodyOf('2'), { 'If-Match': '*' })).status, 201);
  const remove = async (path: string, tag: string) =>
    (await registry.send('DELETE', `/v2/team/app/${path}`, { headers: { 'If-Match': tag } })).status;
  assert.equal(await remove('manifests/none', `"${one}"`), 404);
  assert.equal(await remove('manifests/new', `"${one}"`), 412);
  assert.equal(await remove('manifests/new', `"${two}"`), 202);
  assert.equal(await remove(`manifests/${two}`, `"${one}"`), 412);
  assert.equal(await remove(`manifests/${two}`, '*'), 202);
  const spare = (await registry.pushBlob('team/app', 'spare')).digest;
  assert.equal(await remove(`blobs/${spare}`, `"${one}"`), 412);
  assert.equal(await remove(`blobs/${spare}`, `"${spare}"`), 202);

  // Of many who take one tag at once, one has it.
  const racing = await Promise.all(
    Array.from({ length: 8 }, (_, number) => put('raced', bodyOf(`raced ${number}`), create)),
  );
  assert.deepEqual(racing.map(({ status }) => status).sort(), [201, ...Array(7).fill(412)]);
});

test('indexes: of an image, of docker, without a media type, and sparse', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest, bytes } = await registry.pushImage('team/app', '1');
  const member = { mediaType: OCI_MANIFEST, digest, size: bytes.length };
  const absent = { ...member, digest: digestOf('nowhere') };
  for (const [mediaType, body] of [
    [OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [member] }],
    [OCI_INDEX, { schemaVersion: 2, manifests: [member] }],
    [OCI_INDEX, { schemaVersion: 2, manifests: [member, absent] }],
    [DOCKER_LIST, { schemaVersion: 2, mediaType: DOCKER_LIST, manifests: [member] }],
  ] as const) {
    await registry.pushManifest('team/app', 'all', body, mediaType);
    const pulled = await registry.send('GET', '/v2/team/app/manifests/all');
    assert.equal(pulled.headers['content-type'], mediaType);
    assert.deepEqual(JSON.parse(pulled.body.toString()), body);
  }
});

test('a tag moves; the manifest that it left stays under its digest', async (t) => {
  const registry = await startInProcessRegistry(t);
  const first = await registry.pushImage('team/app', 'latest');
  const second = await registry.pushImage('team/app', 'next');
  const options = { body: second.bytes, headers: { 'Content-Type': OCI_MANIFEST } };
  await registry.send('PUT', '/v2/team/app/manifests/latest', options);
  const latest = await registry.send('GET', '/v2/team/app/manifests/latest');
  assert.deepEqual(latest.body, second.bytes);
  assert.deepEqual((await registry.send('GET', `/v2/team/app/manifests/${first.digest}`)).body, first.bytes);
});

test('deleting a tag keeps the manifest; deleting the manifest takes its tags', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest, bytes } = await registry.pushImage('team/app', '1');
  const put = (tag: string) =>
    registry.send('PUT', `/v2/team/app/manifests/${tag}`, {
      body: bytes,
      headers: { 'Content-Type': OCI_MANIFEST },
    });
  await put('2');
  await put('3');
  assert.equal((await registry.send('DELETE', '/v2/team/app/manifests/1')).status, 202);
  expectError(await registry.send('GET', '/v2/team/app/manifests/1'), 404, 'MANIFEST_UNKNOWN');
  expectError(await registry.send('DELETE', '/v2/team/app/manifests/1'), 404, 'MANIFEST_UNKNOWN');
  assert.equal((await registry.send('GET', `/v2/team/app/manifests/${digest}`)).status, 200);
  assert.equal((await registry.send('DELETE', `/v2/team/app/manifests/${digest}`)).status, 202);
  // It was pulled a moment ago: what is deleted is not answered from memory either.
  for (const reference of [digest, '2', '3']) {
    expectError(await registry.send('GET', `/v2/team/app/manifests/${reference}`), 404, 'MANIFEST_UNKNOWN');
  }
  expectError(await registry.send('DELETE', `/v2/team/app/manifests/${digest}`), 404, 'MANIFEST_UNKNOWN');
  assert.equal((await put('4')).status, 201);
  assert.deepEqual((await registry.send('GET', '/v2/team/app/manifests/4')).body, bytes);
});

test('a manifest that one repository has is not in another one, in memory or not', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest } = await registry.pushImage('team/app', '1');
  assert.equal((await registry.send('GET', `/v2/team/app/manifests/${digest}`)).status, 200);
  expectError(await registry.send('GET', `/v2/team/other/manifests/${digest}`), 404, 'MANIFEST_UNKNOWN');
  expectError(await registry.send('GET', '/v2/team/other/manifests/1'), 404, 'MANIFEST_UNKNOWN');
});

test('pushes and deletes of one tag and its manifests that race: no error of the server, and what is left is whole', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { manifest } = await registry.pushImage('team/app', '0');
  const bodies = Array.from({ length: 8 }, (_, n) =>
    JSON.stringify({ ...manifest, annotations: { n: String(n) } }),
  );
  const headers = { 'Content-Type': OCI_MANIFEST };
  const path = '/v2/team/app/manifests';
  const seen = new Map<string, Set<number>>();
  const send = async (method: string, reference: string, body?: string) => {
    const options = body === undefined ? {} : { body, headers };
    const { status } = await registry.send(method, `${path}/${reference}`, options);
    seen.set(method, (seen.get(method) ?? new Set()).add(status));
  };
  const client = async (body: string, index: number) => {
    const digest = digestOf(body);
    for (let round = 0; round < 6; round += 1) {
      await send('PUT', round % 2 === 0 ? 'race' : `${digest}?tag=race&tag=own-${index}`, body);
      await send(round % 3 === 0 ? 'GET' : 'HEAD', 'race');
      if (index % 2 === 0) await send('DELETE', round % 2 === 0 ? 'race' : digest);
    }
  };
  await Promise.all(bodies.map(client));
  assert.deepEqual(seen.get('PUT'), new Set([201]));
  for (const status of seen.get('DELETE') ?? []) assert.ok([202, 404].includes(status), `${status}`);
  for (const method of ['GET', 'HEAD']) {
    for (const status of seen.get(method) ?? []) assert.ok([200, 404].includes(status), `${status}`);
  }
  const { tags } = JSON.parse((await registry.send('GET', '/v2/team/app/tags/list')).body.toString());
  for (const [index, body] of bodies.entries()) {
    // Nobody has deleted those with an odd number.
    if (index % 2 === 1) assert.ok(tags.includes(`own-${index}`));
    const own = await registry.send('GET', `${path}/own-${index}`);
    assert.equal(own.status, tags.includes(`own-${index}`) ? 200 : 404);
    if (own.status === 200) assert.equal(own.body.toString(), body);
  }
  const last = await registry.send('GET', `${path}/race`);
  assert.equal(last.status, tags.includes('race') ? 200 : 404);
  if (last.status === 200) assert.ok(bodies.includes(last.body.toString()));
  assert.deepEqual(
    registry.logged.filter((line) => JSON.parse(line).level >= 50),
    [],
  );
});

test('pushes of one tag that race: each is answered, and the tag is one of them', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { manifest } = await registry.pushImage('team/app', '0');
  const bodies = Array.from({ length: 16 }, (_, n) =>
    JSON.stringify({ ...manifest, annotations: { n: String(n) } }),
  );
  const headers = { 'Content-Type': OCI_MANIFEST };
  const answers = await Promise.all(
    bodies.map((body) => registry.send('PUT', '/v2/team/app/manifests/race', { body, headers })),
  );
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));
  const pulled = await registry.send('GET', '/v2/team/app/manifests/race');
  assert.ok(bodies.includes(pulled.body.toString()));
});
