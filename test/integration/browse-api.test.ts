import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { describedCalls } from '../support/described-calls.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { OCI_MANIFEST } from '../support/registry-client.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';
import { SIGNING_CERTIFICATE, SIGNING_KEY } from '../support/signing-certificate.ts';
import { writeTar } from '../support/tar-writer.ts';

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

const registry = await startRegistryWithAccounts({ after }, { gcUntagged: true });
const { admin: client } = registry;
const admin = basicAuthorization('admin', ADMIN_PASSWORD);
const reader = await registry.addUser('reader', { 'team/*': 'reader' });
const writer = await registry.addUser('writer', { 'team/*': 'writer' });
const maintainer = await registry.addUser('maintainer', { 'team/*': 'maintainer' });
await registry.store.roles.put({ holder: { kind: 'public' }, pattern: 'team/open*', role: 'reader' });
const { call } = await describedCalls(registry);

interface ImageOptions {
  readonly config?: object | string;
  readonly layers?: readonly string[];
  readonly mediaType?: string;
  readonly layerAnnotations?: Readonly<Record<string, string>>;
  readonly more?: object;
}

const sizes = new Map<string, number>();

async function push(
  repository: string,
  reference: string,
  { config = {}, layers = [], layerAnnotations, mediaType = LAYER, more = {} }: ImageOptions,
) {
  const content = typeof config === 'string' ? config : JSON.stringify(config);
  const blob = await client.pushBlob(repository, content);
  const pushed = [];
  for (const layer of layers) {
    const blob = await client.pushBlob(repository, layer);
    pushed.push({ ...blob, mediaType, ...(layerAnnotations && { annotations: layerAnnotations }) });
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { ...blob, mediaType: OCI_CONFIG },
    layers: pushed,
    ...more,
  };
  const digest = await client.pushManifest(repository, reference, manifest);
  sizes.set(digest, Buffer.byteLength(JSON.stringify(manifest)));
  return digest;
}

const at = (repository: string, below = '') => `/repositories/${encodeURIComponent(repository)}${below}`;

test('visitors see what they may pull, and nothing names what they may not', async () => {
  await push('team/app', '1', { layers: ['base', 'of app'] });
  await push('team/open', '1', { layers: ['base'] });
  await push('secret/app', '1', { layers: ['base', 'of app'] });
  const names = async (who: string | undefined) =>
    (await call(who, 'GET', '/repositories')).json.repositories.map(({ name }: { name: string }) => name);
  assert.deepEqual(await names(admin), ['secret/app', 'team/app', 'team/open']);
  assert.deepEqual(await names(reader), ['team/app', 'team/open']);
  assert.deepEqual(await names(undefined), ['team/open']);
  for (const below of [
    '',
    '/tags',
    '/deleted-tags',
    '/manifests/1',
    '/difference?from=1&to=1',
    '/file-difference?from=1&to=1',
  ]) {
    assert.equal((await call(admin, 'GET', at('secret/app', below))).status, 200, below);
    const hidden = await call(reader, 'GET', at('secret/app', below));
    const missing = await call(reader, 'GET', at('secret/nothing', below));
    assert.equal(hidden.status, 404, below);
    assert.equal(
      JSON.stringify(hidden.json).replaceAll('secret/app', 'secret/nothing'),
      JSON.stringify(missing.json),
      below,
    );
    assert.equal((await call(undefined, 'GET', at('team/app', below))).status, 404);
    assert.equal((await call(undefined, 'GET', at('team/open', below))).status, 200);
  }
  assert.equal((await call(reader, 'DELETE', at('secret/app', '/manifests/1'))).status, 404);
  assert.equal((await call(reader, 'DELETE', at('team/app', '/manifests/1'))).status, 403);
  assert.equal((await call(writer, 'DELETE', at('team/app', '/manifests/1?dry-run=true'))).status, 403);
  assert.equal((await call(undefined, 'DELETE', at('team/open', '/manifests/1'))).status, 401);
  for (const [path, who] of [
    ['/manifests/1', reader],
    ['/manifests/1?dry-run=true', maintainer],
  ] as const) {
    const method = path.includes('?') ? 'DELETE' : 'GET';
    const { status, json } = await call(who, method, at('team/app', path));
    assert.equal(status, 200);
    assert.ok(!JSON.stringify(json).includes('secret/'), JSON.stringify(json));
  }
  const found = async (who: string | undefined, search: string) => {
    const { json } = await call(who, 'GET', `/tags?search=${encodeURIComponent(search)}`);
    assert.equal(json.next, null);
    return json.tags.map(({ repository, name }: Readonly<Record<string, string>>) => `${repository}:${name}`);
  };
  assert.deepEqual(await found(admin, '1'), ['secret/app:1', 'team/app:1', 'team/open:1']);
  assert.deepEqual(await found(reader, '1'), ['team/app:1', 'team/open:1']);
  assert.deepEqual(await found(undefined, '1'), ['team/open:1']);
  for (const nothing of ['2', '', '%', '1/', "'; --"]) assert.deepEqual(await found(admin, nothing), []);
  for (const wrong of ['', '?search=%00', '?search=1&after=x', '?search=1&limit=101']) {
    assert.equal((await call(admin, 'GET', `/tags${wrong}`)).status, 400, wrong);
  }
  const use = await call(reader, 'GET', '/disk-use');
  assert.equal(use.json.repositoryCount, 2);
});

test('each route by who asks: a visitor, a reader, a writer, a maintainer, and tokens of the administrator', async () => {
  await push('team/rights', '1', {});
  await push('team/rights', '2', {});
  const digest = (await call(admin, 'GET', at('team/rights', '/manifests/1'))).json.digest;
  const token = (name: string, ...scopes: readonly string[]) => registry.addRobot(name, ...scopes);
  const who = {
    nobody: undefined,
    outsider: await registry.addUser('outsider', { 'other/*': 'admin' }),
    reader,
    writer,
    maintainer,
    'token to pull': await token('puller', 'team/*:pull'),
    'token to delete': await token('deleter', 'team/*:pull,delete'),
    'token to manage': await token('manager', 'registry:manage'),
  };
  const restore = at('team/rights', '/deleted-tags/none/restore');
  const rows = [
    ['GET', at('team/rights')],
    ['GET', at('team/rights', '/tags')],
    ['GET', at('team/rights', '/deleted-tags')],
    ['GET', at('team/rights', `/manifests/${digest}`)],
    ['GET', at('team/rights', '/difference?from=1&to=2')],
    ['GET', at('team/rights', '/file-difference?from=1&to=2')],
    ['GET', at('team/rights', '/manifests')],
    ['POST', restore],
    ['POST', at('team/rights', '/manifests/1/copy'), { repository: 'team/rights', tag: '1' }],
    ['DELETE', at('team/rights', '/manifests/1?dry-run=true')],
    ['DELETE', at('team/rights', '?dry-run=true')],
  ] as const;
  const statuses: Record<string, readonly number[]> = {};
  for (const [name, authorization] of Object.entries(who)) {
    const answers: number[] = [];
    for (const [method, path, body] of rows) {
      const sent = method === 'POST' ? (body ?? {}) : undefined;
      answers.push((await call(authorization, method, path, sent)).status);
    }
    statuses[name] = answers;
    assert.equal((await call(authorization, 'GET', '/repositories')).status, 200);
    assert.equal((await call(authorization, 'GET', '/disk-use')).status, 200);
  }
  const hidden = [404, 404, 404, 404, 404, 404, 404];
  const seen = [200, 200, 200, 200, 200, 200, 200];
  assert.deepEqual(statuses, {
    nobody: [...hidden, 401, 401, 401, 401],
    outsider: [...hidden, 404, 404, 404, 404],
    reader: [...seen, 403, 403, 403, 403],
    writer: [...seen, 404, 200, 403, 403],
    maintainer: [...seen, 404, 200, 200, 200],
    'token to pull': [...seen, 403, 403, 403, 403],
    'token to delete': [...seen, 403, 403, 200, 200],
    'token to manage': [...hidden, 404, 404, 404, 404],
  });
});

test('a tag that is deleted tells what goes, and is restored', async () => {
  const digest = await push('team/gone', '1', { layers: ['only here'] });
  const path = at('team/gone', '/manifests/1');
  const before = await call(maintainer, 'DELETE', `${path}?dry-run=true`);
  assert.deepEqual([before.json.deleted, before.json.tags, before.json.manifests], [false, ['1'], [digest]]);
  assert.ok(before.json.bytesFreed > 'only here'.length && before.json.restorableUntil);
  assert.equal((await call(reader, 'GET', path)).status, 200);
  assert.equal((await call(maintainer, 'DELETE', path)).json.deleted, true);
  assert.equal((await call(reader, 'GET', path)).status, 404);
  const deleted = await call(reader, 'GET', at('team/gone', '/deleted-tags'));
  assert.deepEqual(
    deleted.json.tags.map(({ name, deletedBy }: { name: string; deletedBy: string }) => [name, deletedBy]),
    [['1', 'maintainer']],
  );
  const restore = at('team/gone', '/deleted-tags/1/restore');
  assert.equal((await call(reader, 'POST', restore, {})).status, 403);
  assert.deepEqual((await call(writer, 'POST', restore, {})).json, { digest });
  assert.equal((await call(writer, 'POST', restore, {})).status, 409);
  assert.equal((await call(writer, 'POST', at('team/gone', '/deleted-tags/2/restore'), {})).status, 404);
  const { json } = await call(admin, 'GET', '/audit?repository=team/gone&limit=2');
  assert.deepEqual(
    json.events.map(({ action, who }: { action: string; who: string }) => [action, who]),
    [
      ['push', 'writer'],
      ['delete', 'maintainer'],
    ],
  );
  await call(admin, 'PUT', '/tag-rules', { pattern: 'team/gone', tags: '*', kind: 'immutable' });
  const kept = await call(maintainer, 'DELETE', `${path}?dry-run=true`);
  assert.match(kept.json.refusal, /immutable/);
  assert.equal(kept.json.needsForce, false);
  assert.equal((await call(maintainer, 'DELETE', path)).status, 403);
});

test('an SBOM lists its packages, and one that cannot be read says why', async () => {
  const document = (more: object) => JSON.stringify({ spdxVersion: 'SPDX-2.3', ...more });
  const sbomOf = async (tag: string, layers: readonly string[], mediaType: string) => {
    await push('team/sbom', tag, { layers, mediaType, more: { artifactType: mediaType } });
    return (await call(reader, 'GET', at('team/sbom', `/manifests/${tag}`))).json.sbom;
  };
  const packages = [{ name: 'zlib', versionInfo: '1.3', licenseDeclared: 'Zlib' }];
  assert.deepEqual(await sbomOf('spdx', [document({ packages })], 'application/spdx+json'), {
    format: 'SPDX',
    packages: [{ name: 'zlib', version: '1.3', licence: 'Zlib' }],
    packageCount: 1,
  });
  const large = document({ comment: 'x'.repeat(2 * 1024 * 1024) });
  const refused = await sbomOf('large', [large], 'application/spdx+json');
  assert.match(refused.problem, /at most 2097152 can be shown/);
  assert.equal(await sbomOf('image', [document({ packages })], LAYER), undefined);
});

test('referrers tell who signed them, and an SBOM in a bundle is read', async () => {
  const image = await push('team/signed', '1', {});
  const subject = { mediaType: OCI_MANIFEST, digest: image, size: 1 };
  const payload = Buffer.from(
    JSON.stringify({
      predicateType: 'https://spdx.dev/Document',
      predicate: { spdxVersion: 'SPDX-2.3', packages: [{ name: 'zlib' }] },
    }),
  );
  const bundle = JSON.stringify({
    verificationMaterial: { certificate: { rawBytes: SIGNING_CERTIFICATE } },
    dsseEnvelope: { payload: payload.toString('base64'), signatures: [{ sig: 'c2lnbmVk' }] },
  });
  const bundleType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
  const annotations = { 'dev.sigstore.bundle.predicateType': 'https://spdx.dev/Document' };
  await push('team/signed', 'sbom', {
    layers: [bundle],
    mediaType: bundleType,
    more: { artifactType: bundleType, subject, annotations },
  });
  const layer = {
    ...(await client.pushBlob('team/signed', 'payload')),
    mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
    annotations: { 'dev.cosignproject.cosign/signature': 'c2lnbmVk' },
  };
  await push('team/signed', `${image.replace(':', '-')}.sig`, { more: { layers: [layer, layer] } });
  const { json } = await call(reader, 'GET', at('team/signed', '/manifests/1'));
  const digest = 'sha256:4a3cdfae6f291c8f544daea5b72905cf9e74c1ed427d831ad0d7ca00c73c794d';
  const found = Object.fromEntries(
    json.referrers.map(
      ({ kind, signatures }: { kind: string; signatures: readonly { digest: string }[] }) => [
        kind,
        signatures.map(({ digest: _, ...rest }) => rest),
      ],
    ),
  );
  assert.deepEqual(found.signature, [{ by: 'key' }, { by: 'key' }]);
  assert.deepEqual([found.sbom.length, found.sbom[0].by, found.sbom[0].key], [1, 'certificate', SIGNING_KEY]);
  const sbom = (await call(reader, 'GET', at('team/signed', '/manifests/sbom'))).json;
  assert.deepEqual(sbom.sbom, { format: 'SPDX', packages: [{ name: 'zlib' }], packageCount: 1 });
  assert.equal(sbom.signatures[0].digest, digest);
});

test('two images differ in the packages of their SBOMs, by an attestation in the index or a referrer', async () => {
  const type = 'application/spdx+json';
  const document = (version: string) =>
    JSON.stringify({ spdxVersion: 'SPDX-2.3', packages: [{ name: 'zlib', versionInfo: version }] });
  const one = await push('team/packages', '1', { layers: ['one'] });
  const two = await push('team/packages', '2', { layers: ['two'] });
  const difference = async (query: string) =>
    (await call(reader, 'GET', at('team/packages', `/difference?${query}`))).json.packages;
  const none = { added: 0, removed: 0, changed: 0, changes: [] };
  assert.deepEqual(await difference('from=1&to=2'), none);
  const attestation = await push('team/packages', 'attestation', {
    layers: [JSON.stringify({ predicate: JSON.parse(document('1.2')) })],
    mediaType: 'application/vnd.in-toto+json',
    layerAnnotations: { 'in-toto.io/predicate-type': 'https://spdx.dev/Document' },
  });
  const members = [
    { digest: one, platform: { os: 'linux', architecture: 'amd64' } },
    {
      digest: attestation,
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: {
        'vnd.docker.reference.type': 'attestation-manifest',
        'vnd.docker.reference.digest': one,
      },
    },
  ].map((member) => ({ mediaType: OCI_MANIFEST, size: sizes.get(member.digest), ...member }));
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: members };
  await client.pushManifest('team/packages', 'index', index, OCI_INDEX);
  assert.deepEqual(await difference('from=index&to=2'), { ...none, from: attestation });
  const sbom = await push('team/packages', 'sbom', {
    layers: [document('1.3')],
    mediaType: type,
    more: { artifactType: type, subject: { mediaType: OCI_MANIFEST, digest: two, size: 1 } },
  });
  assert.deepEqual(await difference('from=index&to=2'), {
    from: attestation,
    to: sbom,
    added: 0,
    removed: 0,
    changed: 1,
    changes: [{ name: 'zlib', before: '1.2', after: '1.3' }],
  });
});

test('an attestation tells where and when an image was built', async () => {
  const attest = async (tag: string, content: string) => {
    await push('team/built', tag, {
      layers: [content],
      mediaType: 'application/vnd.in-toto+json',
      layerAnnotations: { 'in-toto.io/predicate-type': 'https://slsa.dev/provenance/v0.2' },
    });
    return (await call(reader, 'GET', at('team/built', `/manifests/${tag}`))).json;
  };
  const predicate = {
    builder: { id: 'https://ci.example/7' },
    materials: [{ uri: 'pkg:docker/alpine@3.20' }],
    metadata: { buildStartedOn: '2026-01-02T03:04:05Z' },
  };
  const { provenance, sbom } = await attest('min', JSON.stringify({ predicate }));
  assert.deepEqual(provenance, {
    builder: 'https://ci.example/7',
    started: '2026-01-02T03:04:05.000Z',
    materials: ['pkg:docker/alpine@3.20'],
    materialCount: 1,
  });
  assert.equal(sbom, undefined);
  const large = await attest('large', JSON.stringify({ predicate, more: 'x'.repeat(2 * 1024 * 1024) }));
  assert.match(large.provenance.problem, /at most 2097152 can be shown/);
  assert.equal((await call(undefined, 'GET', at('team/built', '/manifests/min'))).status, 404);
});

test('two images differ in the files of the layers that they do not share', async () => {
  const layer = (name: string, content: string) =>
    writeTar([{ name, type: 'file', content }]).toString('latin1');
  await push('team/files', '1', { layers: ['this is no tar, and shared', layer('a', 'one')] });
  await push('team/files', '2', { layers: ['this is no tar, and shared', layer('a', 'two')] });
  await push('team/files', 'damaged', { layers: ['this is no tar'] });
  const path = (to: string) => at('team/files', `/file-difference?from=1&to=${to}`);
  const { json } = await call(reader, 'GET', path('2'));
  const file = { kind: 'file', mode: 0o644, size: 3 };
  assert.deepEqual(json.changes, [{ path: 'a', change: 'changed', before: file, after: file }]);
  assert.deepEqual([json.added, json.removed, json.changed], [0, 0, 1]);
  const damaged = await call(reader, 'GET', path('damaged'));
  assert.match(damaged.json.problem, /not a tar/);
  assert.deepEqual(damaged.json.changes, []);
  assert.equal((await call(undefined, 'GET', path('2'))).status, 404);
  const together = await Promise.all(Array.from({ length: 12 }, () => call(reader, 'GET', path('2'))));
  for (const { json, status } of together) {
    assert.equal(status, 200);
    assert.ok(
      json.changed === 1 || /other comparisons of files are running/.test(json.problem),
      JSON.stringify(json),
    );
  }
});

test('a manifest has layers, history, configuration and referrers; two differ in what changed', async () => {
  const config = (version: string, more: object = {}) => ({
    os: 'linux',
    architecture: 'arm64',
    config: { Env: ['PATH=/bin', `VERSION=${version}`], Cmd: ['run'], Labels: { a: version } },
    history: [
      { created_by: 'FROM base' },
      { created_by: 'ENV VERSION', empty_layer: true },
      { created_by: 'COPY' },
      { created_by: 'RUN beyond the layers' },
    ],
    rootfs: { type: 'layers', diff_ids: [] },
    ...more,
  });
  const first = await push('team/img', '1', { config: config('1'), layers: ['shared', 'one'] });
  const second = await push('team/img', '2', { config: config('2'), layers: ['shared', 'two'] });
  const subject = { mediaType: OCI_MANIFEST, digest: first, size: 1 };
  const type = 'application/spdx+json';
  const sbom = await push('team/img', 'sbom', { more: { artifactType: type, subject } });
  const about = { mediaType: OCI_MANIFEST, digest: sbom, size: 1 };
  await push('team/img', `${first.replace(':', '-')}.sig`, {});
  await push('team/img', 'sig', {
    more: { artifactType: 'application/vnd.cncf.notary.signature', subject: about },
  });
  const { json } = await call(reader, 'GET', at('team/img', '/manifests/1'));
  assert.deepEqual(
    json.history.map(({ layer }: { layer?: number }) => layer),
    [0, undefined, 1, undefined],
  );
  assert.deepEqual(
    json.layers.map(({ present, sharedBy }: { present: boolean; sharedBy: { manifests: number } }) => [
      present,
      sharedBy.manifests,
    ]),
    [
      [true, 1],
      [true, 0],
    ],
  );
  assert.equal(json.config.platform, 'linux/arm64');
  assert.deepEqual(
    json.referrers
      .map(({ kind, referrers }: { kind: string; referrers: { kind: string }[] }) => [
        kind,
        referrers.map((one) => one.kind),
      ])
      .toSorted(),
    [
      ['sbom', ['signature']],
      ['signature', []],
    ],
  );
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [first, second].map((digest, position) => ({
      mediaType: OCI_MANIFEST,
      digest,
      size: sizes.get(digest),
      platform: { os: 'linux', architecture: position === 0 ? 'arm64' : 'amd64' },
    })),
  };
  await client.pushManifest('team/img', 'multi', index, OCI_INDEX);
  const multi = await call(reader, 'GET', at('team/img', '/manifests/multi'));
  assert.deepEqual(
    multi.json.members.map(({ platform, present }: { platform: string; present: boolean }) => [
      platform,
      present,
    ]),
    [
      ['linux/arm64', true],
      ['linux/amd64', true],
    ],
  );
  const chosen = await call(
    reader,
    'GET',
    at('team/img', '/difference?from=multi&to=2&platform=linux%2Farm64'),
  );
  assert.deepEqual([chosen.json.from, chosen.json.to, chosen.json.platform], [first, second, 'linux/arm64']);
  const difference = await call(reader, 'GET', at('team/img', '/difference?from=1&to=2'));
  assert.deepEqual(
    difference.json.layers.map(({ change }: { change: string }) => change),
    ['same', 'removed', 'added'],
  );
  assert.equal(difference.json.download, 3);
  assert.deepEqual(difference.json.environment, [{ name: 'VERSION', before: '1', after: '2' }]);
  assert.deepEqual(difference.json.labels, [{ name: 'a', before: '1', after: '2' }]);
});

test('the README is the artifact under its tag, cut at 64 KB', async () => {
  await push('team/read', 'latest', {
    more: { annotations: { 'org.opencontainers.image.description': '# <b>text</b>' } },
  });
  const plain = await call(reader, 'GET', at('team/read'));
  assert.deepEqual(plain.json.readme, { text: '# <b>text</b>', mediaType: 'text/plain', truncated: false });
  await push('team/read', 'readme', { layers: ['é'.repeat(40_000)], mediaType: 'text/markdown' });
  const { text, ...rest } = (await call(reader, 'GET', at('team/read'))).json.readme;
  assert.deepEqual(rest, { mediaType: 'text/markdown', truncated: true });
  assert.equal(text, 'é'.repeat(32_768));
});

test('bad input is refused with the name of its parameter', async () => {
  for (const [path, name] of [
    ['/repositories?sort=secret', 'sort'],
    ['/repositories?order=up', 'order'],
    ['/repositories?limit=0', 'limit'],
    ['/repositories?limit=101', 'limit'],
    ['/repositories?after=x', 'after'],
    [`/repositories?after=${'A'.repeat(5000)}`, 'after'],
    [`/repositories?sort=size&after=${cursor('a')}`, 'after'],
    [`/repositories?sort=size&after=${cursor('a', 'b')}`, 'after'],
    [`/repositories?sort=size&after=${cursor('-1', 'b')}`, 'after'],
    [`/repositories?after=${cursor('a\0')}`, 'after'],
    [`/repositories?search=${'s'.repeat(256)}`, 'search'],
    ['/repositories?search=a%00b', 'search'],
    [`${at('team/app', '/tags')}?search=%0A`, 'search'],
    [`${at('team/app', '/tags')}?sort=size`, 'sort'],
    [at('team/app', '/difference?from=1'), 'to'],
    [at('team/img', '/difference?from=multi&to=multi&platform=plan9%2Fmips'), 'platform'],
  ] as const) {
    const { status, json } = await call(reader, 'GET', path);
    assert.equal(status, 400, path);
    assert.ok(json.errors[0].message.includes(`"${name}"`), `${path}: ${json.errors[0].message}`);
  }
  for (const path of [
    at('..', '/tags'),
    at('TEAM/APP'),
    at('team/app/%00'),
    at('team/app', '/manifests/sha256:short'),
    at('team/app', `/manifests/${'x'.repeat(200)}`),
    at('team/app', '/manifests/%3Cscript%3E'),
    at('team/app', '/difference?from=%00&to=1'),
  ]) {
    assert.equal((await call(reader, 'GET', path)).status, 404, path);
  }
  for (const search of ['%', '_', '\\', "'", '💥', '\u202e', '!', '"]}']) {
    const found = await call(reader, 'GET', `/repositories?search=${encodeURIComponent(search)}`);
    assert.deepEqual(found.json.repositories, [], search);
  }
});

function cursor(...parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

test('hostile manifests and configurations are shown as far as they can be', async () => {
  const shown = async (tag: string) => {
    const { status, json } = await call(reader, 'GET', at('team/evil', `/manifests/${tag}`));
    assert.equal(status, 200, tag);
    assert.equal((await call(reader, 'GET', at('team/evil', '/tags'))).status, 200);
    assert.equal(
      (await call(maintainer, 'DELETE', at('team/evil', `/manifests/${tag}?dry-run=true`))).status,
      200,
    );
    return json;
  };
  for (const [tag, config] of Object.entries({
    text: 'no JSON',
    list: '[]',
    deep: '['.repeat(50_000),
    types: JSON.stringify({
      os: 7,
      config: { Env: 'x', Cmd: [1, 'a'], Labels: [], Volumes: 1 },
      history: [1, null],
    }),
    null: '{"config":null,"history":null,"rootfs":null}',
    proto: '{"config":{"Labels":{"__proto__":"x","constructor":"y"}}}',
    long: JSON.stringify({
      author: 'a'.repeat(500_000),
      config: { Env: Array(5000).fill(`E=${'e'.repeat(90)}`) },
    }),
    history: JSON.stringify({ history: Array(5000).fill({ created_by: 'x'.repeat(100) }) }),
  })) {
    await push('team/evil', tag, { config, layers: ['one'] });
    const json = await shown(tag);
    assert.ok(JSON.stringify(json).length < 300_000, tag);
    if (['text', 'list', 'deep'].includes(tag)) assert.ok(json.config.problem, tag);
    if (tag === 'proto') {
      assert.equal(JSON.stringify(json.config.labels), '{"__proto__":"x","constructor":"y"}');
    }
  }

  const layer = await client.pushBlob('team/evil', 'one');
  const config = { ...(await client.pushBlob('team/evil', '{}')), mediaType: OCI_CONFIG };
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config };
  const foreign = { ...layer, digest: `sha256:${'f'.repeat(64)}`, urls: ['https://elsewhere.invalid/layer'] };
  const many = Array.from({ length: 1000 }, () => ({ ...layer, mediaType: 'application/x;a="<script>"' }));
  await client.pushManifest('team/evil', 'layers', { ...manifest, layers: [foreign, ...many] });
  const layers = await shown('layers');
  assert.deepEqual([layers.layers.length, layers.partCount], [1000, 1001]);
  assert.deepEqual([layers.layers[0].foreign, layers.layers[0].present], [true, false]);

  const annotations = Object.fromEntries(
    Array.from({ length: 2000 }, (_, i) => [`<img src=x onerror=alert(${i})>`, 'x'.repeat(1000)]),
  );
  await client.pushManifest('team/evil', 'large', { ...manifest, layers: [], annotations });
  const large = await shown('large');
  assert.match(large.problem, /bytes/);
  assert.deepEqual([large.annotations, large.layers], [{}, []]);

  const digest = await client.pushManifest('team/evil', 'member', { ...manifest, layers: [] });
  const members = Array.from({ length: 500 }, (_, i) => ({
    mediaType: OCI_MANIFEST,
    digest: i === 0 ? digest : `sha256:${String(i).padStart(64, '0')}`,
    size: i === 0 ? Buffer.byteLength(JSON.stringify({ ...manifest, layers: [] })) : 1,
    platform: { os: 'linux', architecture: `arch${i}\u0000` },
  }));
  await client.pushManifest(
    'team/evil',
    'index',
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests: members },
    OCI_INDEX,
  );
  const index = await shown('index');
  assert.deepEqual(
    [index.members.length, index.members[0].present, index.members[1].present],
    [500, true, false],
  );
  assert.equal((await call(reader, 'GET', at('team/evil', '/difference?from=index&to=member'))).status, 400);
});
