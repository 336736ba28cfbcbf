import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManifestInvalidError } from '../../../oci/errors.ts';
import { MAX_MANIFEST_SIZE, readManifest } from '../../../oci/manifest.ts';
import { MEDIA_TYPES } from '../../../oci/media-types.ts';
import { digestOf } from '../../support/content.ts';

const { ociManifest, ociIndex, dockerManifest, dockerIndex } = MEDIA_TYPES;

const bytesOf = (value: unknown) => Buffer.from(JSON.stringify(value));
const descriptor = (text: string, mediaType = 'application/octet-stream', more: object = {}) => ({
  mediaType,
  digest: digestOf(text),
  size: text.length,
  ...more,
});
const config = descriptor('config', MEDIA_TYPES.ociConfig);
const layer = descriptor('layer', MEDIA_TYPES.ociLayerGzip);
const image = { schemaVersion: 2, config, layers: [layer] };

function refused(value: unknown, message: RegExp, mediaType?: string): void {
  const bytes = value instanceof Uint8Array ? value : bytesOf(value);
  assert.throws(
    () => readManifest(bytes, mediaType),
    (error) => {
      assert.ok(error instanceof ManifestInvalidError, String(error));
      assert.match(error.message, message);
      return true;
    },
  );
}

test('an OCI image manifest, with and without mediaType', () => {
  const read = {
    mediaType: ociManifest,
    config,
    layers: [layer],
    manifests: [],
    artifactType: MEDIA_TYPES.ociConfig,
    references: [
      { kind: 'config', digest: config.digest },
      { kind: 'layer', digest: layer.digest },
    ],
  };
  assert.deepEqual(readManifest(bytesOf(image), ociManifest), read);
  assert.deepEqual(readManifest(bytesOf(image)), read);
  assert.deepEqual(readManifest(bytesOf({ ...image, mediaType: ociManifest }), ociManifest), read);
  assert.deepEqual(readManifest(bytesOf({ ...image, mediaType: ociManifest })), read);
});

test('docker schema 2 and manifest lists say what they are', () => {
  const docker = readManifest(bytesOf({ ...image, mediaType: dockerManifest }), dockerManifest);
  assert.equal(docker.mediaType, dockerManifest);
  assert.deepEqual(docker.layers, [layer]);
  const member = descriptor('member', dockerManifest, {
    platform: { os: 'linux', architecture: 'arm', variant: 'v7', features: ['x'] },
  });
  const list = readManifest(
    bytesOf({ schemaVersion: 2, mediaType: dockerIndex, manifests: [member] }),
    dockerIndex,
  );
  assert.deepEqual(list.manifests[0]?.platform, { os: 'linux', architecture: 'arm', variant: 'v7' });
  assert.deepEqual(list.references, [{ kind: 'manifest', digest: member.digest, platform: 'linux/arm/v7' }]);
  assert.equal(list.config, undefined);
  refused(image, /"mediaType" is missing/, dockerManifest);
  refused({ schemaVersion: 2, manifests: [] }, /"mediaType" is missing/, dockerIndex);
});

test('an OCI index without mediaType, empty or with members', () => {
  assert.equal(readManifest(bytesOf({ schemaVersion: 2, manifests: [] })).mediaType, ociIndex);
  assert.equal(readManifest(bytesOf({ schemaVersion: 2, manifests: [] }), ociIndex).artifactType, undefined);
  const twice = [descriptor('member', ociManifest), descriptor('member', ociManifest)];
  const index = readManifest(bytesOf({ schemaVersion: 2, manifests: twice }), ociIndex);
  assert.equal(index.manifests.length, 2);
  assert.equal(index.references.length, 1);
});

test('artifacts of any type, with a subject and annotations', () => {
  const empty = descriptor('{}', MEDIA_TYPES.ociEmpty);
  const subject = descriptor('subject', ociManifest);
  const artifact = readManifest(
    bytesOf({
      schemaVersion: 2,
      mediaType: ociManifest,
      artifactType: 'application/vnd.example.sbom',
      config: empty,
      layers: [empty],
      subject,
      annotations: { 'org.example': 'x' },
    }),
    ociManifest,
  );
  assert.equal(artifact.artifactType, 'application/vnd.example.sbom');
  assert.deepEqual(artifact.subject, subject);
  assert.deepEqual(artifact.annotations, { 'org.example': 'x' });
  assert.deepEqual(
    artifact.references.map(({ kind }) => kind),
    ['config', 'layer', 'subject'],
  );
  const helm = { ...image, config: descriptor('c', 'application/vnd.cncf.helm.config.v1+json') };
  assert.equal(readManifest(bytesOf(helm)).artifactType, 'application/vnd.cncf.helm.config.v1+json');
  const cache = { ...image, config: descriptor('c', 'application/vnd.buildkit.cacheconfig.v0') };
  assert.equal(readManifest(bytesOf({ ...cache, artifactType: '' })).artifactType, cache.config.mediaType);
});

test('layers that may lie elsewhere are read, and not required', () => {
  const layers = [
    layer,
    descriptor('a', 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', { urls: ['https://x/a'] }),
    descriptor('b', 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'),
    descriptor('c', MEDIA_TYPES.ociLayer, { urls: ['https://x/c'] }),
    descriptor('d', MEDIA_TYPES.ociLayer, { urls: [] }),
  ];
  const read = readManifest(bytesOf({ ...image, layers }));
  assert.equal(read.layers.length, layers.length);
  assert.deepEqual(read.layers[1]?.urls, ['https://x/a']);
  assert.deepEqual(
    read.references.filter(({ kind }) => kind === 'layer').map(({ digest }) => digest),
    [digestOf('layer'), digestOf('d')],
  );
  assert.deepEqual(
    read.references.filter(({ kind }) => kind === 'foreign-layer').map(({ digest }) => digest),
    [digestOf('a'), digestOf('b'), digestOf('c')],
  );
});

test('null stands for what is not there', () => {
  const read = readManifest(
    bytesOf({ ...image, layers: null, subject: null, annotations: null, manifests: null }),
  );
  assert.deepEqual(read.layers, []);
  assert.equal(read.subject, undefined);
  assert.equal(
    readManifest(bytesOf({ schemaVersion: 2, mediaType: ociIndex, manifests: null })).manifests.length,
    0,
  );
});

test('what is no UTF-8 JSON object is refused', () => {
  refused(Buffer.from([0x7b, 0xff, 0x7d]), /not UTF-8/);
  refused(Buffer.from('{'), /not JSON/);
  refused(Buffer.alloc(0), /not JSON/);
  refused(Buffer.from('\ufeff{"schemaVersion":2}'), /not JSON/);
  for (const value of [[], 'text', 1, null, true]) refused(value, /must be a JSON object/);
  refused(Buffer.from('['.repeat(2_000_000)), /not JSON/);
});

test('depth and size do no harm', () => {
  const deep = `{"schemaVersion":2,"manifests":[],"x":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`;
  assert.equal(readManifest(Buffer.from(deep)).mediaType, ociIndex);
  const large = bytesOf({ ...image, padding: 'x'.repeat(MAX_MANIFEST_SIZE) });
  refused(large, /larger than 4194304 bytes/);
});

test('types that are wrong or do not agree are refused', () => {
  refused({ ...image, mediaType: ociManifest }, /was sent as/, dockerManifest);
  refused({ ...image, mediaType: ociIndex }, /was sent as/, ociManifest);
  refused({ ...image, mediaType: 7 }, /"mediaType" must be a string/);
  refused(image, /not that of a manifest/, 'application/json');
  refused({ ...image, mediaType: 'text/plain' }, /not that of a manifest/);
  refused({ ...image, mediaType: '' }, /not that of a manifest/);
  refused({ schemaVersion: 2, config, layers: [], manifests: [] }, /must not have "config"/);
  refused({ schemaVersion: 2, manifests: [], layers: [layer] }, /must not have "config"/, ociIndex);
  refused({ ...image, manifests: [] }, /must not have "manifests"/, ociManifest);
  refused({ ...image, schemaVersion: '2' }, /"schemaVersion" must be 2/);
  refused({ config, layers: [] }, /"schemaVersion" must be 2/);
});

test('docker schema 1 is refused with advice', () => {
  refused({ schemaVersion: 1, name: 'a', fsLayers: [] }, /schema 1 .* push the image again/);
  refused({ schemaVersion: 1 }, /schema 1/, MEDIA_TYPES.dockerSchema1Signed);
  refused({ ...image }, /schema 1/, MEDIA_TYPES.dockerSchema1);
});

test('parts that are missing or malformed are named', () => {
  refused({ schemaVersion: 2, layers: [] }, /"config" is missing/);
  refused({ schemaVersion: 2, config }, /"layers" is missing/);
  refused({ schemaVersion: 2, mediaType: ociIndex }, /"manifests" is missing/);
  refused({ ...image, layers: {} }, /"layers" must be an array/);
  refused({ ...image, config: 'x' }, /config must be a descriptor/);
  refused({ ...image, layers: [layer, null] }, /layers\[1\] must be a descriptor/);
  refused({ ...image, annotations: { a: 1 } }, /values of "annotations"/);
  refused({ ...image, annotations: [] }, /"annotations" must be an object/);
  refused({ ...image, artifactType: 1 }, /"artifactType" must be a string/);
  const broken: readonly (readonly [object, RegExp])[] = [
    [{ digest: 'sha256:abc' }, /"digest" must be/],
    [{ digest: undefined }, /"digest" must be/],
    [{ digest: `md5:${'0'.repeat(32)}` }, /"digest" must be/],
    [{ size: -1 }, /"size" must be/],
    [{ size: 1.5 }, /"size" must be/],
    [{ size: '5' }, /"size" must be/],
    [{ size: 1e20 }, /"size" must be/],
    [{ size: undefined }, /"size" must be/],
    [{ mediaType: undefined }, /"mediaType" must be/],
    [{ mediaType: '' }, /"mediaType" must be/],
    [{ mediaType: 'text\r\nX: y/z' }, /"mediaType" must be/],
    [{ urls: [1] }, /"urls" must contain only strings/],
    [{ annotations: { a: {} } }, /values of "annotations"/],
    [{ platform: 'linux' }, /"platform" must be an object/],
    [{ platform: { os: 1 } }, /platform: "os" must be a string/],
  ];
  for (const [change, message] of broken) {
    refused({ ...image, layers: [{ ...layer, ...change }] }, message);
    refused({ ...image, config: { ...config, ...change } }, message);
    refused({ ...image, subject: { ...layer, ...change } }, message);
    refused({ schemaVersion: 2, manifests: [{ ...layer, ...change }] }, message);
  }
});
