import assert from 'node:assert/strict';
import type { CleanupScope } from './cleanup.ts';
import { openWorld, type World } from './fleet-world.ts';
import { FACTS } from './joined-host.ts';
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from './registry-client.ts';
import { SIGNING_CERTIFICATE_PEM } from './signing-certificate.ts';
import { writeTar } from './tar-writer.ts';
import { waitUntil } from './wait-until.ts';
import { startWebhookReceiver } from './webhook-receiver.ts';

/** A registry that has something for every page to show. */
export interface PageWorld extends World {
  /** An address of every page that the administrator may open. */
  readonly pages: readonly string[];
}

/** Starts a registry with three hosts, one of which is away, an app, images with attestations, and one of every setting. */
export async function openPageWorld(scope: CleanupScope): Promise<PageWorld> {
  const world = await openWorld(scope, ['fra-1', 'fra-2'], { webhookPrivate: true });
  const { admin, manage } = world.registry;
  await world.registry.addUser('ada', { 'team/*': 'maintainer' });
  await world.registry.store.teams.create('dev');
  await world.registry.store.teams.join('dev', 'ada');
  await world.registry.addRobot('ci', 'team/*:pull,push');
  const token = await addSettings(scope, world);
  for (const text of ['one', 'two']) {
    await world.push(text);
    assert.equal((await world.deploy()).status, 201);
    await world.ended();
  }
  for (const tag of ['tag0', 'tag1', 'tag2', 'other', 'gone']) await admin.pushImage('team/app', tag);
  assert.equal((await admin.send('DELETE', '/v2/team/app/manifests/gone')).status, 202);
  const signed = await addArtifacts(world);
  const away = await world.registry.join('ams-1', { zone: 'ams-north', role: 'builder' });
  assert.ok((await manage('PATCH', '/hosts/ams-1', { draining: true })).ok);
  const visit = await away.connect();
  visit.send({ type: 'hello', facts: FACTS, generation: 0 });
  await visit.message('target');
  visit.socket.close();
  await waitUntil('every webhook has been called', async () => {
    const { webhooks } = (await (await manage('GET', '/webhooks')).json()) as {
      readonly webhooks: readonly Readonly<Record<string, unknown>>[];
    };
    return webhooks.every(({ deliveredAt, failure }) => deliveredAt !== null || failure !== null);
  });
  const repository = '/repositories/team/app/-';
  return {
    ...world,
    pages: [
      ...PAGES,
      `${repository}/manifests/${signed}`,
      `${repository}/tags/${signed.replace(':', '-')}.sig`,
      `/account/tokens/${token}/revoke`,
    ],
  };
}

/** Makes one setting of each kind; answers the id of a token. */
async function addSettings(scope: CleanupScope, { registry }: World): Promise<string> {
  const secret = 'a secret of webhooks';
  const receiver = await startWebhookReceiver(scope, secret);
  receiver.answer = ({ data: { repository } }) => (repository === 'team/web' ? 204 : 404);
  const hook = { events: ['push'], pattern: 'team/*', secret };
  const issuer = 'https://id.example';
  const claims = { repository: 'team/app' };
  for (const [method, path, body] of [
    ['PUT', '/quotas', { pattern: 'team/*', bytes: '20GiB' }],
    ['PUT', '/tag-rules', { pattern: 'team/*', tags: 'v*', kind: 'immutable' }],
    ['PUT', '/grants', { holder: 'team:dev', pattern: 'open/*', role: 'writer' }],
    [
      'POST',
      '/rules',
      { name: 'job', issuer, audience: 'berth', claims, role: 'writer', pattern: 'team/app' },
    ],
    [
      'POST',
      '/providers',
      { name: 'work', issuer, clientId: 'berth', clientSecret: 'a-secret-of-a-client', groups: {} },
    ],
    ['POST', '/webhooks', { ...hook, name: 'chat', url: receiver.url }],
    [
      'POST',
      '/webhooks',
      { ...hook, name: 'scan', url: 'http://127.0.0.1:9/a/long/path/of/a/receiver?of=scans' },
    ],
  ] as const) {
    const answer = await registry.manage(method, path, body);
    assert.ok(answer.ok, `${path}: ${await answer.text()}`);
  }
  const { id } = (await (await registry.manage('POST', '/tokens', { name: 'laptop' })).json()) as {
    readonly id: string;
  };
  return id;
}

const SBOM = 'application/spdx+json';
const STATEMENT = 'application/vnd.in-toto+json';
const GIT = 'https://git.example/team/app';
const TIMES = ['2026-01-02T03:04:05.678Z', '2026-01-02T03:05:05Z'] as const;
const MATERIALS = ['alpine@3.20', 'golang@1.25'].map((name) => ({
  uri: `pkg:docker/${name}?platform=linux%2Famd64`,
  digest: { sha256: 'a'.repeat(64) },
}));

/** As BuildKit writes it, as the builder of GitHub does, and one that cannot be read. */
const PROVENANCES = {
  slsa02: {
    builder: { id: 'https://ci.example/run/7' },
    buildType: 'https://mobyproject.org/buildkit@v1',
    invocation: { configSource: { uri: GIT, digest: { sha1: 'c'.repeat(40) }, entryPoint: 'Dockerfile' } },
    metadata: { buildInvocationID: 'abc', buildStartedOn: TIMES[0], buildFinishedOn: TIMES[1] },
    materials: MATERIALS,
  },
  slsa1: {
    buildDefinition: {
      buildType: 'https://actions.github.io/buildtypes/workflow/v1',
      externalParameters: { workflow: { repository: GIT, path: '.github/workflows/release.yaml' } },
      resolvedDependencies: MATERIALS,
    },
    runDetails: {
      builder: { id: 'https://github.com/actions/runner/github-hosted' },
      metadata: { invocationId: `${GIT}/actions/runs/7`, startedOn: TIMES[0], finishedOn: TIMES[1] },
    },
  },
  unread: 'no object',
} as const;

/** Pushes images with signatures, SBOMs and provenance, an index and an image of files; answers the digest of a signed image. */
async function addArtifacts({ registry: { admin } }: World): Promise<string> {
  const pushArtifact = async (tag: string, mediaType: string, document: unknown, more: object = {}) => {
    const blob = await admin.pushBlob('team/app', JSON.stringify(document));
    const annotations = { 'in-toto.io/predicate-type': 'https://slsa.dev/provenance/v1' };
    await admin.pushManifest('team/app', tag, {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType: mediaType,
      config: { ...blob, mediaType },
      layers: [{ ...blob, mediaType, ...(mediaType === STATEMENT && { annotations }) }],
      ...more,
    });
  };
  const packages = ['zlib', 'openssl'].map((name) => ({ name, versionInfo: '1.3', licenseDeclared: 'Zlib' }));
  const spdxVersion = 'SPDX-2.3';
  await pushArtifact('sbom', SBOM, { spdxVersion, packages });
  const signed = await admin.pushImage('team/app', 'signed');
  const newer = await admin.pushImage('team/app', 'newer');
  const payload = await admin.pushBlob('team/app', '{}');
  await admin.pushManifest('team/app', `${signed.digest.replace(':', '-')}.sig`, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { ...payload, mediaType: OCI_CONFIG },
    layers: [{}, { 'dev.sigstore.cosign/certificate': SIGNING_CERTIFICATE_PEM }].map((certificate) => ({
      ...payload,
      mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
      annotations: { 'dev.cosignproject.cosign/signature': 'c2lnbmVk', ...certificate },
    })),
  });
  const about = ({ digest }: { readonly digest: string }) => ({
    subject: { mediaType: OCI_MANIFEST, digest, size: 1 },
  });
  await pushArtifact('sbom-signed', SBOM, { spdxVersion, packages }, about(signed));
  const later = [{ name: 'zlib', versionInfo: '1.3.1' }, { name: 'curl' }];
  await pushArtifact('sbom-newer', SBOM, { spdxVersion, packages: later }, about(newer));
  for (const [tag, predicate] of Object.entries(PROVENANCES)) {
    await pushArtifact(tag, STATEMENT, { predicate }, about(signed));
  }
  await admin.pushManifest(
    'team/app',
    'index',
    {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [signed, newer].map(({ bytes, digest }, index) => ({
        mediaType: OCI_MANIFEST,
        digest,
        size: bytes.length,
        platform: { os: 'linux', architecture: ['amd64', 'arm64'][index] },
      })),
    },
    OCI_INDEX,
  );
  const tar = writeTar([{ name: 'usr/bin/tool', type: 'file', content: 'tool' }]);
  const layer = await admin.pushBlob('team/app', tar);
  const config = await admin.pushBlob(
    'team/app',
    JSON.stringify({
      os: 'linux',
      architecture: 'amd64',
      created: TIMES[0],
      config: {
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'LANG=C.UTF-8'],
        Labels: { 'org.opencontainers.image.source': GIT },
        Entrypoint: ['/usr/bin/tool', '--listen', '0.0.0.0:8080'],
        ExposedPorts: { '8080/tcp': {} },
        User: '1000:1000',
      },
      history: [
        { created_by: '/bin/sh -c #(nop) ADD file:0123456789abcdef in / ' },
        { created_by: 'ENV LANG=C.UTF-8', empty_layer: true },
        { created_by: 'COPY tool /usr/bin/tool # buildkit' },
      ],
    }),
  );
  await admin.pushManifest('team/app', 'files', {
    ...signed.manifest,
    config: { ...config, mediaType: OCI_CONFIG },
    layers: [...signed.manifest.layers, { ...layer, mediaType: OCI_LAYER }],
    annotations: { 'org.opencontainers.image.description': 'A tool, as an example.' },
  });
  const readme = await admin.pushBlob(
    'team/app',
    '# App\n\nWhat it is, with `code` and a [link](https://a.example).\n',
  );
  await pushArtifact('readme', 'text/markdown', {}, { layers: [{ ...readme, mediaType: 'text/markdown' }] });
  return signed.digest;
}

const APP = 'app=team%2Fshop';
const TAGS = '/repositories/team/app/-/tags';
const COMPARE = '/repositories/team/app/-/compare';

const PAGES: readonly string[] = [
  '/',
  '/?q=nothing-has-this-name',
  '/?sort=size',
  '/tags',
  '/tags?q=tag',
  '/tags?q=nothing',
  '/repositories/team/web',
  '/repositories/team/app',
  '/repositories/team/web/-/tags/main',
  `${TAGS}/index`,
  `${TAGS}/files`,
  `${TAGS}/signed`,
  `${TAGS}/sbom`,
  `${TAGS}/readme`,
  ...Object.keys(PROVENANCES).map((tag) => `${TAGS}/${tag}`),
  '/repositories/team/web/-/delete?reference=main',
  '/repositories/team/app/-/delete?reference=signed',
  `${COMPARE}?from=tag0&to=other`,
  `${COMPARE}?from=signed&to=files&files=yes`,
  `${COMPARE}?from=signed&to=newer&files=yes`,
  '/repositories/team/app/-/deleted',
  '/repositories/team/web/-/deleted',
  '/repositories/team/app/-/access',
  '/account',
  '/admin/users',
  '/admin/users/one?name=ada',
  '/admin/users/remove?name=ada',
  '/admin/teams',
  '/admin/teams/one?team=dev',
  '/admin/teams/remove?team=dev',
  '/admin/grants',
  '/admin/grants/remove?holder=team%3Adev&pattern=open%2F*',
  '/admin/robots',
  '/admin/robots/renew?name=ci',
  '/admin/robots/remove?name=ci',
  '/admin/jobs',
  '/admin/jobs/remove?name=job',
  '/admin/providers',
  '/admin/providers/remove?name=work',
  '/admin/webhooks',
  '/admin/webhooks/one?name=chat',
  '/admin/webhooks/one?name=scan',
  '/admin/webhooks/remove?name=chat',
  '/admin/tag-rules',
  '/admin/tag-rules/remove?pattern=team%2F*&tags=v*',
  '/admin/quotas',
  '/admin/quotas/remove?pattern=team%2F*',
  '/admin/audit',
  '/admin/audit?since=7d',
  '/admin/health',
  '/apps',
  `/apps/one?${APP}`,
  `/apps/logs?${APP}`,
  `/apps/rollback?${APP}&to=1`,
  `/apps/restart?${APP}`,
  `/apps/remove?${APP}`,
  '/hosts',
  '/hosts/one?name=fra-1',
  '/hosts/one?name=ams-1',
  '/hosts/drain?name=fra-1',
  '/hosts/remove?name=fra-1',
  '/auth/device',
  '/admin/nothing',
  '/docs/',
  '/docs/?q=garbage+collection',
  '/docs/how-to/access',
  '/docs/reference/compose',
  '/docs/nothing',
];
