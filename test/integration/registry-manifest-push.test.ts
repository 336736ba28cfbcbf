import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpAnswer } from '../support/http-client.ts';
import { type InProcessRegistry, startInProcessRegistry } from '../support/in-process-registry.ts';
import { digestOf, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';

const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const EMPTY = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 };

function put(
  registry: InProcessRegistry,
  reference: string,
  manifest: object | string,
  mediaType = OCI_MANIFEST,
): Promise<HttpAnswer> {
  const body = typeof manifest === 'string' ? manifest : JSON.stringify(manifest);
  const path = `/v2/team/app/manifests/${reference}`;
  return registry.send('PUT', path, { body, headers: { 'Content-Type': mediaType } });
}

test('a manifest by its sha512, with tags, is pulled by each of them', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { manifest } = await registry.pushImage('team/app', '0');
  const body = JSON.stringify({ ...manifest, annotations: { by: 'sha512' } });
  const digest = digestOf(body, 'sha512');
  const tags = Array.from({ length: 12 }, (_, index) => `v${index}`);
  const pushed = await put(registry, `${digest}?${tags.map((tag) => `tag=${tag}`).join('&')}`, body);
  assert.equal(pushed.status, 201, pushed.body.toString());
  assert.equal(pushed.headers['docker-content-digest'], digest);
  assert.equal(pushed.headers.location, `/v2/team/app/manifests/${digest}`);
  assert.deepEqual(String(pushed.headers['oci-tag']).split(', '), tags);
  for (const reference of [digest, ...tags]) {
    const pulled = await registry.send('GET', `/v2/team/app/manifests/${reference}`);
    assert.equal(pulled.body.toString(), body);
    assert.equal(pulled.headers['docker-content-digest'], digest);
    assert.equal(pulled.headers.etag, `"${digest}"`);
  }
});

test('a tag with the digest of its manifest in the query: it is verified, and its algorithm kept', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { manifest } = await registry.pushImage('team/app', '0');
  const body = JSON.stringify({ ...manifest, annotations: { by: 'query' } });
  for (const algorithm of ['sha512', 'sha256'] as const) {
    const digest = digestOf(body, algorithm);
    const pushed = await put(registry, `1?digest=${digest}`, body);
    assert.equal(pushed.headers['docker-content-digest'], digest);
    assert.equal(pushed.headers['oci-tag'], undefined);
    const head = await registry.send('HEAD', '/v2/team/app/manifests/1');
    assert.equal(head.headers['docker-content-digest'], digest);
  }
  expectError(await put(registry, `1?digest=${digestOf('other')}`, body), 400, 'DIGEST_INVALID');
  expectError(await put(registry, '1?digest=md5:abc', body), 400, 'DIGEST_INVALID');
  const head = await registry.send('HEAD', '/v2/team/app/manifests/1');
  assert.equal(head.headers['docker-content-digest'], digestOf(body));
});

test('a tag in the query that is none, or too many of them: nothing is changed', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { manifest } = await registry.pushImage('team/app', '0');
  const body = JSON.stringify({ ...manifest, annotations: { a: 'b' } });
  const digest = digestOf(body);
  expectError(await put(registry, `${digest}?tag=good&tag=-bad`, body), 400, 'TAG_INVALID');
  expectError(await put(registry, `${digest}?tag=`, body), 400, 'TAG_INVALID');
  const many = Array.from({ length: 101 }, (_, index) => `tag=v${index}`).join('&');
  expectError(await put(registry, `${digest}?${many}`, body), 414, 'UNSUPPORTED');
  const list = await registry.send('GET', '/v2/team/app/tags/list');
  assert.deepEqual(JSON.parse(list.body.toString()).tags, ['0']);
  expectError(await registry.send('GET', `/v2/team/app/manifests/${digest}`), 404, 'MANIFEST_UNKNOWN');
});

test('types of config, of artifacts and of lists that clients push', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest, bytes, manifest } = await registry.pushImage('team/app', '0');
  await registry.pushBlob('team/app', '{}');
  const member = { mediaType: OCI_MANIFEST, digest, size: bytes.length };
  const configured = (mediaType: string) => ({ ...manifest, config: { ...manifest.config, mediaType } });
  for (const [what, body, mediaType] of [
    ['helm', configured('application/vnd.cncf.helm.config.v1+json'), OCI_MANIFEST],
    ['cosign', configured('application/vnd.dev.cosign.artifact.sig.v1+json'), OCI_MANIFEST],
    ['wasm', configured('application/vnd.wasm.config.v1+json'), OCI_MANIFEST],
    [
      'artifact',
      { schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType: 'a/b', config: EMPTY, layers: [EMPTY] },
      OCI_MANIFEST,
    ],
    [
      'no layers',
      { schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType: 'a/b', config: EMPTY, layers: [] },
      OCI_MANIFEST,
    ],
    ['unknown fields', { ...manifest, 'org.example': { x: [1, null] } }, OCI_MANIFEST],
    [
      "BuildKit's cache",
      {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: { ...manifest.config, mediaType: 'application/vnd.buildkit.cacheconfig.v0' },
        layers: manifest.layers,
      },
      OCI_MANIFEST,
    ],
    [
      "BuildKit's old cache",
      {
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [
          { ...manifest.layers[0] },
          { ...manifest.config, mediaType: 'application/vnd.buildkit.cacheconfig.v0' },
        ],
      },
      OCI_INDEX,
    ],
    [
      'docker list',
      {
        schemaVersion: 2,
        mediaType: DOCKER_LIST,
        manifests: [{ ...member, platform: { os: 'linux', architecture: 'amd64' } }],
      },
      DOCKER_LIST,
    ],
    ['docker', { ...manifest, mediaType: DOCKER_MANIFEST }, DOCKER_MANIFEST],
    [
      'attestation',
      { schemaVersion: 2, manifests: [{ ...member, platform: { os: 'unknown', architecture: 'unknown' } }] },
      OCI_INDEX,
    ],
    ['empty index', { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }, OCI_INDEX],
  ] as const) {
    const pushed = await put(registry, 'x', body, mediaType);
    assert.equal(pushed.status, 201, `${what}: ${pushed.body}`);
    const pulled = await registry.send('GET', '/v2/team/app/manifests/x');
    assert.equal(pulled.body.toString(), JSON.stringify(body));
    assert.equal(pulled.headers['content-type'], mediaType);
    assert.equal(pushed.headers.warning, undefined, what);
  }
});

test('a sparse index is taken, with a warning that says what is missing', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest, bytes } = await registry.pushImage('team/app', '0');
  const member = { mediaType: OCI_MANIFEST, digest, size: bytes.length };
  const absent = { ...member, digest: digestOf('elsewhere') };
  const pushed = await put(registry, 'x', { schemaVersion: 2, manifests: [member, absent] }, OCI_INDEX);
  assert.equal(pushed.status, 201);
  assert.equal(pushed.headers.warning, `299 - "1 of the index's 2 manifests are not in team/app"`);
});

test('indexes within indexes, a hundred deep', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest, bytes } = await registry.pushImage('team/app', '0');
  let inner = { mediaType: OCI_MANIFEST, digest, size: bytes.length };
  for (let depth = 0; depth < 100; depth += 1) {
    const body = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [inner] });
    const pushed = await put(registry, digestOf(body), body, OCI_INDEX);
    assert.equal(pushed.status, 201, pushed.body.toString());
    inner = { mediaType: OCI_INDEX, digest: digestOf(body), size: body.length };
  }
  assert.equal((await registry.send('GET', `/v2/team/app/manifests/${inner.digest}`)).status, 200);
});

test('ten thousand layers', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { manifest } = await registry.pushImage('team/app', '0');
  const [layer] = manifest.layers;
  const layers = Array.from({ length: 10_000 }, () => layer);
  assert.equal((await put(registry, 'same', { ...manifest, layers })).status, 201);
  const absent = layers.map((_, index) => ({
    mediaType: OCI_LAYER,
    digest: digestOf(`layer ${index}`),
    size: 1,
  }));
  const { detail } = expectError(
    await put(registry, 'absent', { ...manifest, layers: absent }),
    400,
    'MANIFEST_BLOB_UNKNOWN',
  );
  assert.equal((detail as { missing: string[] }).missing.length, 10_000);
});

test('what is ambiguous, deep or of a wrong size is refused, and never an error of the server', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest, bytes, manifest } = await registry.pushImage('team/app', '0');
  const text = bytes.toString();
  const [layer] = manifest.layers;
  const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  for (const [what, body, mediaType] of [
    ['a key twice', text.replace(/\}$/, `,"config":${JSON.stringify(EMPTY)}}`), OCI_MANIFEST],
    ['a key twice, once escaped', text.replace(/\}$/, ',"l\\u0061yers":[]}'), OCI_MANIFEST],
    ['a key twice in a descriptor', text.replace('"size":', '"size":1,"size":'), OCI_MANIFEST],
    ['100 levels', text.replace(/\}$/, `,"x":${nested(100)}}`), OCI_MANIFEST],
    ['100,000 levels', text.replace(/\}$/, `,"x":${nested(100_000)}}`), OCI_MANIFEST],
    ['100,000 levels from the top', nested(100_000), OCI_MANIFEST],
    ['a layer of another size', { ...manifest, layers: [{ ...layer, size: 1 }] }, OCI_MANIFEST],
    ['a config of another size', { ...manifest, config: { ...manifest.config, size: 1 } }, OCI_MANIFEST],
    ['one layer with two sizes', { ...manifest, layers: [layer, { ...layer, size: 7 }] }, OCI_MANIFEST],
    [
      'a member of another size',
      { schemaVersion: 2, manifests: [{ mediaType: OCI_MANIFEST, digest, size: 1 }] },
      OCI_INDEX,
    ],
    ['a size beyond all', { ...manifest, layers: [{ ...layer, size: 1e300 }] }, OCI_MANIFEST],
    ['a fractional size', { ...manifest, layers: [{ ...layer, size: 1.5 }] }, OCI_MANIFEST],
    ['a media type with line feeds', { ...manifest, mediaType: `${OCI_MANIFEST}\n` }, OCI_MANIFEST],
    [
      'a layer type with line feeds',
      { ...manifest, layers: [{ ...layer, mediaType: 'a/b\r\nX: y' }] },
      OCI_MANIFEST,
    ],
    ['an artifact type with line feeds', { ...manifest, artifactType: 'a/b\r\nX: y' }, OCI_MANIFEST],
    ['a subject that is none', { ...manifest, subject: 'sha256:x' }, OCI_MANIFEST],
    ['annotations that are no strings', { ...manifest, annotations: { a: 1 } }, OCI_MANIFEST],
    ['a BOM', `\ufeff${text}`, OCI_MANIFEST],
    ['schema 1', '{"schemaVersion":1,"name":"x"}', 'application/vnd.docker.distribution.manifest.v1+json'],
  ] as const) {
    const refused = await put(registry, '0', body, mediaType);
    assert.equal(refused.status, 400, `${what}: ${refused.status} ${refused.body}`);
    expectError(refused, 400, 'MANIFEST_INVALID');
  }
  assert.equal((await registry.send('GET', '/v2/team/app/manifests/0')).body.toString(), text);
  assert.deepEqual(
    registry.logged.filter((line) => JSON.parse(line).level >= 50),
    [],
  );
});

test('an image that was described by its config is described by the next one that says something', async (t) => {
  const registry = await startInProcessRegistry(t);
  const described = async () => {
    const found = await registry.send('GET', '/v1/search?q=app');
    return JSON.parse(found.body.toString()).results[0]?.description;
  };
  const { manifest } = await registry.pushImage('team/app', '0');
  assert.equal(await described(), '');
  const labels = { 'org.opencontainers.image.description': ' by\n label ' };
  const config = await registry.pushBlob('team/app', JSON.stringify({ config: { Labels: labels } }));
  const labelled = { ...manifest, config: { ...config, mediaType: OCI_CONFIG } };
  const bytes = JSON.stringify(labelled);
  assert.equal((await put(registry, digestOf(bytes), bytes)).status, 201);
  assert.equal(await described(), '', 'it has no tag');
  await put(registry, '1', labelled);
  assert.equal(await described(), 'by label');
  await put(registry, '2', manifest);
  assert.equal(await described(), 'by label');
  const member = { mediaType: OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length };
  const annotations = { 'org.opencontainers.image.description': 'x'.repeat(5000) };
  await put(registry, '3', { schemaVersion: 2, manifests: [member], annotations }, OCI_INDEX);
  assert.equal(await described(), 'x'.repeat(1000));
  await put(registry, '4', { schemaVersion: 2, manifests: [member] }, OCI_INDEX);
  assert.equal(await described(), 'by label');
});
