import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { HOSTILE_IN_ONE as ALL, HOSTILE, STRANGERS } from '../support/hostile-texts.ts';
import { logIn, startPageBrowser } from '../support/page-browser.ts';
import { OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from '../support/registry-client.ts';
import { startRegistryWithAccounts } from '../support/registry-with-accounts.ts';
import { SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_PEM, SIGNING_KEY } from '../support/signing-certificate.ts';
import { writeTar } from '../support/tar-writer.ts';

const HTML = { accept: 'text/html', 'accept-encoding': 'gzip' };

describe('pages and hostile content', async () => {
  const registry = await startRegistryWithAccounts({ after });
  const { admin, store, url } = registry;
  await registry.addUser('ada', { 'open/*': 'maintainer' });
  await store.roles.put({ holder: { kind: 'public' }, pattern: 'open/*', role: 'reader' });
  const config = await admin.pushBlob(
    'open/app',
    JSON.stringify({
      os: 'linux',
      architecture: 'amd64',
      author: ALL,
      created: ALL,
      config: {
        Env: HOSTILE.map((text, index) => `V${index}=${text}`),
        Labels: Object.fromEntries(HOSTILE.map((text) => [text, text])),
        Entrypoint: [...HOSTILE],
        Cmd: [...HOSTILE],
        User: ALL,
        WorkingDir: ALL,
        ExposedPorts: { [ALL]: {} },
        Volumes: { [ALL]: {} },
        StopSignal: ALL,
      },
      history: HOSTILE.map((text) => ({ created_by: text, author: text, comment: text })),
      rootfs: { type: 'layers', diff_ids: [`sha256:${'0'.repeat(64)}`] },
    }),
  );
  const layer = await admin.pushBlob('open/app', 'a layer');
  const tar = await admin.pushBlob(
    'open/app',
    writeTar(
      [...HOSTILE, ALL.replaceAll('\0', '')].map((name) => ({
        name: name.replaceAll('\0', ''),
        type: 'file',
      })),
    ),
  );
  const image = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { ...config, mediaType: OCI_CONFIG },
    layers: [{ ...layer, mediaType: OCI_LAYER, annotations: { 'org.opencontainers.image.title': ALL } }],
    annotations: {
      'org.opencontainers.image.description': ALL,
      ...Object.fromEntries(HOSTILE.map((text) => [text, text])),
    },
  };
  const digest = await admin.pushManifest('open/app', 'latest', image);
  await admin.pushManifest('open/app', 'other', { ...image, annotations: { a: 'b' } });
  const readme = await admin.pushBlob(
    'open/app',
    `# ${ALL}\n\n${HOSTILE.join('\n\n')}\n\n[x](javascript:alert(3)) ![y](/auth/logout)\n`,
  );
  const empty = await admin.pushBlob('open/app', '{}');
  await admin.pushManifest('open/app', 'readme', {
    ...image,
    artifactType: 'text/markdown',
    config: { ...empty, mediaType: 'application/vnd.oci.empty.v1+json' },
    layers: [{ ...readme, mediaType: 'text/markdown' }],
  });
  const sbom = await admin.pushBlob(
    'open/app',
    JSON.stringify({
      bomFormat: 'CycloneDX',
      components: HOSTILE.map((text) => ({ name: text, version: text, licenses: [{ expression: text }] })),
    }),
  );
  await admin.pushManifest('open/app', 'sbom', {
    ...image,
    artifactType: 'application/vnd.cyclonedx+json',
    layers: [{ ...sbom, mediaType: 'application/vnd.cyclonedx+json' }],
  });
  const signature = { 'dev.cosignproject.cosign/signature': ALL };
  const certificates = [SIGNING_CERTIFICATE_PEM, ...HOSTILE];
  const version = await admin.pushManifest('open/app', 'version', {
    ...image,
    layers: [...image.layers, { ...tar, mediaType: OCI_LAYER }],
  });
  const packages = (count: number, text: string) =>
    JSON.stringify({
      bomFormat: 'CycloneDX',
      components: HOSTILE.slice(count).map((name) => ({ name, version: `${text} ${name}` })),
    });
  for (const [about, content] of [
    [digest, packages(1, '<b>1</b>')],
    [version, packages(0, '<b>2</b>')],
  ] as const) {
    const list = await admin.pushBlob('open/app', content);
    await admin.pushManifest('open/app', `packages${about.slice(7, 15)}`, {
      ...image,
      artifactType: 'application/vnd.cyclonedx+json',
      subject: { mediaType: OCI_MANIFEST, digest: about, size: 1 },
      layers: [{ ...list, mediaType: 'application/vnd.cyclonedx+json' }],
    });
  }
  await admin.pushManifest('open/app', `sha256-${digest.slice(7)}.sig`, {
    ...image,
    artifactType: ALL.slice(0, 200),
    layers: certificates.slice(0, 9).map((pem) => ({
      ...layer,
      mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
      annotations: { ...signature, 'dev.sigstore.cosign/certificate': pem },
    })),
  });
  for (const [index, text] of HOSTILE.entries()) {
    const bundle = await admin.pushBlob(
      'open/app',
      JSON.stringify({
        verificationMaterial: { publicKey: { hint: text } },
        dsseEnvelope: { payload: Buffer.from(text).toString('base64'), signatures: [{ sig: text }] },
      }),
    );
    const mediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
    await admin.pushManifest('open/app', `bundle${index}`, {
      ...image,
      artifactType: mediaType,
      subject: { mediaType: OCI_MANIFEST, digest, size: 1 },
      layers: [{ ...bundle, mediaType }],
      annotations: { 'dev.sigstore.bundle.predicateType': `spdx ${text}` },
    });
  }
  for (const [index, certificate] of [SIGNING_CERTIFICATE, ...HOSTILE].entries()) {
    const envelope = await admin.pushBlob(
      'open/app',
      JSON.stringify({ payload: ALL, header: { x5c: [certificate], agent: ALL }, signature: ALL }),
    );
    await admin.pushManifest('open/app', `notation${index}`, {
      ...image,
      artifactType: 'application/vnd.cncf.notary.signature',
      subject: { mediaType: OCI_MANIFEST, digest: version, size: 1 },
      layers: [{ ...envelope, mediaType: 'application/jose+json' }],
    });
  }
  const spdx3 = await admin.pushBlob(
    'open/app',
    JSON.stringify({
      '@context': 'https://spdx.org/rdf/3.0.1/spdx-context.jsonld',
      '@graph': HOSTILE.flatMap((text) => [
        { type: 'software_Package', spdxId: text, name: text, software_packageVersion: text },
        { type: 'Relationship', relationshipType: 'hasDeclaredLicense', from: text, to: [text] },
      ]),
    }),
  );
  await admin.pushManifest('open/app', 'spdx3', {
    ...image,
    artifactType: 'application/spdx+json',
    layers: [{ ...spdx3, mediaType: 'application/spdx+json' }],
  });
  const hostileTexts = Object.fromEntries(HOSTILE.map((text) => [text, text]));
  const materials = HOSTILE.map((uri) => ({ uri, digest: { sha256: uri, gitCommit: uri } }));
  for (const [index, predicate] of [
    {
      builder: { id: ALL },
      buildType: ALL,
      invocation: { configSource: { uri: ALL, digest: hostileTexts, entryPoint: ALL } },
      metadata: { buildInvocationID: ALL, buildStartedOn: HOSTILE[0], buildFinishedOn: HOSTILE[1] },
      materials,
    },
    {
      buildDefinition: {
        buildType: ALL,
        externalParameters: { workflow: { repository: ALL, path: ALL } },
        resolvedDependencies: materials,
      },
      runDetails: { builder: { id: ALL }, metadata: { invocationId: ALL, startedOn: ALL } },
    },
    ALL,
  ].entries()) {
    const statement = await admin.pushBlob('open/app', JSON.stringify({ predicate }));
    await admin.pushManifest('open/app', `provenance${index}`, {
      ...image,
      artifactType: ALL.slice(0, 200),
      subject: { mediaType: OCI_MANIFEST, digest, size: 1 },
      layers: [
        {
          ...statement,
          mediaType: 'application/vnd.in-toto+json',
          annotations: { 'in-toto.io/predicate-type': `https://slsa.dev/provenance/v1 ${HOSTILE[0]}` },
        },
      ],
    });
  }
  await admin.pushImage('secret/app', 'hidden');
  const browser = await startPageBrowser({ after });

  test('no text of strangers becomes more than text', async () => {
    const { page } = await browser.open({ userAgent: 'Browser <script>alert(9)</script>"onload="alert(9)' });
    await logIn(page, url, 'admin');
    for (const name of HOSTILE.slice(0, 9)) {
      await page.goto(`${url}/account`);
      await page.getByLabel('What it is for').fill(name);
      await page.getByRole('button', { name: 'Make a token' }).click();
      assert.deepEqual(await page.evaluate(STRANGERS), []);
    }
    const text = encodeURIComponent(HOSTILE.slice(0, 9).join(' '));
    for (const path of [
      '/',
      `/?q=${text}`,
      `/?sort=${text}&after=${text}`,
      '/repositories/open/app',
      `/repositories/open/app?q=${text}`,
      '/repositories/open/app/-/tags/latest',
      `/repositories/open/app/-/manifests/${digest}`,
      '/repositories/open/app/-/tags/readme',
      '/repositories/open/app/-/tags/sbom',
      '/repositories/open/app/-/tags/bundle0',
      '/repositories/open/app/-/tags/version',
      '/repositories/open/app/-/tags/notation0',
      '/repositories/open/app/-/tags/notation1',
      '/repositories/open/app/-/tags/spdx3',
      ...[0, 1, 2].map((index) => `/repositories/open/app/-/tags/provenance${index}`),
      `/repositories/open/app/-/tags/sha256-${digest.slice(7)}.sig`,
      '/repositories/open/app/-/compare?from=latest&to=other',
      '/repositories/open/app/-/compare?from=latest&to=version&files=yes',
      '/repositories/open/app/-/access',
      `/repositories/open/app/-/access?after=${text}`,
      '/repositories/open/app/-/delete?reference=latest',
      `/repositories/open/app/-/compare?from=${text}&to=${text}`,
      `/repositories/${text}`,
      `/account?done=${text}`,
      '/account',
      `/admin/users?done=${text}`,
      `/admin/users/one?name=${text}`,
      `/admin/users/remove?name=${text}`,
      `/admin/grants/remove?holder=${text}&pattern=${text}`,
      `/admin/audit?who=${text}&since=7d`,
      `/admin/audit?since=${text}`,
      '/admin/audit',
      `/admin/${text}`,
      `/auth/?return=${text}`,
      `/auth/device?user_code=${text}`,
    ]) {
      const answer = await page.goto(url + path);
      assert.match(answer?.headers()['content-type'] ?? '', /^text\/html/, path);
      assert.ok((answer?.status() ?? 500) < 500, path);
      assert.deepEqual(await page.evaluate(STRANGERS), [], path);
      assert.equal(new URL(page.url()).origin, url, path);
      assert.doesNotMatch(await page.title(), /\u202e/);
    }
    // A form that was refused shows what was written again.
    for (const name of ['users', 'teams', 'grants', 'webhooks', 'quotas']) {
      await page.goto(`${url}/admin/${name}`);
      for (const field of await page.locator('main form input[type=text]').all())
        await field.fill(ALL.slice(0, 60));
      await page.locator('main form button.main').last().click();
      await page.waitForLoadState();
      assert.deepEqual(await page.evaluate(STRANGERS), [], name);
    }
    const faults = browser.errors.filter((line) => !/the server responded with a status of 4/.test(line));
    assert.deepEqual(faults, []);
  });

  test('a page tells who signed by Notation, and lists packages of SPDX 3', async () => {
    const { page } = await browser.open({ script: false });
    await page.goto(`${url}/repositories/open/app/-/tags/version`);
    await page.getByText(SIGNING_KEY).waitFor();
    await page.getByText('notation verify').waitFor();
    await page.goto(`${url}/repositories/open/app/-/tags/spdx3`);
    const packages = page.getByRole('table', { name: 'Packages of this SBOM (SPDX)' });
    assert.equal(await packages.getByRole('rowheader').count(), HOSTILE.length);
  });

  test('a page tells what a provenance says, as text that nothing has verified', async () => {
    const { page } = await browser.open({ script: false });
    for (const index of [0, 1]) {
      await page.goto(`${url}/repositories/open/app/-/tags/provenance${index}`);
      await page.getByText('nothing of it is verified here').waitFor();
      await page.getByText(`${HOSTILE.length} materials`).click();
      await page
        .getByText(HOSTILE[6] ?? '', { exact: true })
        .first()
        .waitFor();
      assert.equal(await page.locator('main a[href*="evil"], main a[href*="alert"]').count(), 0);
    }
    await page.goto(`${url}/repositories/open/app/-/tags/provenance2`);
    await page.getByText('The provenance is not that of SLSA').waitFor();
  });

  test('images of 1,000 layers and a manifest of 4 MB are pages like others', async () => {
    const foreign = Array.from({ length: 600 }, (_, number) => ({
      mediaType: `application/x;a="<script>alert(1)</script>"`,
      digest: `sha256:${String(number).padStart(64, '0')}`,
      size: 10 ** 15,
      urls: ['https://elsewhere.invalid/layer'],
    }));
    const own = Array.from({ length: 401 }, () => ({
      ...layer,
      mediaType: OCI_LAYER,
      annotations: { 'org.opencontainers.image.title': ALL },
    }));
    await admin.pushManifest('open/app', 'layers', { ...image, layers: [...own, ...foreign] });
    const room = 4 * 1024 * 1024 - Buffer.byteLength(JSON.stringify({ ...image, annotations: { a: '' } }));
    const filled = { ...image, annotations: { a: '<b>'.repeat(room).slice(0, room) } };
    assert.equal(Buffer.byteLength(JSON.stringify(filled)), 4 * 1024 * 1024);
    await admin.pushManifest('open/app', 'large', filled);
    for (const width of [320, 1280]) {
      const { page } = await browser.open({ width });
      await logIn(page, url, 'admin');
      const opens = async (path: string, status = 200) => {
        const answer = await page.goto(`${url}/repositories/open/app${path}`);
        assert.equal(answer?.status(), status, path);
        assert.deepEqual(await page.evaluate(STRANGERS), [], path);
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width, path);
        assert.ok(((await answer?.body())?.length ?? 0) < 4 * 1024 * 1024, path);
      };
      await opens('/-/tags/layers');
      const rows = page.getByRole('table', { name: 'Layers, the lowest first' }).getByRole('rowheader');
      assert.equal(await rows.count(), 1000);
      await page.getByText('The first 1,000 of 1,001.').waitFor();
      await opens('/-/tags/large');
      await page.getByText('has 4194304 bytes; at most 1048576 can be shown').waitFor();
      await page.getByText(`docker pull ${new URL(url).host}/open/app:large`).waitFor();
      for (const path of [
        '',
        ...['layers', 'large'].map((tag) => `/-/delete?reference=${tag}`),
        '/-/compare?from=layers&to=latest',
        '/-/compare?from=latest&to=layers&files=yes',
      ]) {
        await opens(path);
      }
      // What cannot be read cannot be compared, and the page says why.
      await opens('/-/compare?from=layers&to=large', 400);
      await page.getByText('at most 1048576 can be shown').waitFor();
      await page.close();
    }
  });

  test('a search answers while one types, and a dialog asks before a delete', async () => {
    const { page } = await browser.open();
    await logIn(page, url, 'admin');
    await page.getByLabel('Search', { exact: true }).pressSequentially('secr');
    await page.getByRole('link', { name: 'open/app' }).waitFor({ state: 'detached' });
    await page.getByRole('link', { name: 'secret/app' }).waitFor();
    await page.waitForURL(`${url}/?q=secr&sort=name`);
    await page.goto(`${url}/repositories/secret/app`);
    const link = page.getByRole('link', { name: 'Delete', exact: true });
    await link.click();
    const dialog = page.getByRole('dialog', { name: 'Delete secret/app:hidden?' });
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await link.evaluate((element) => element.matches(':focus')), true);
  });

  test('a repository that a visitor may not see is on no page', async () => {
    for (const name of [undefined, 'ada']) {
      const { page } = await browser.open();
      if (name !== undefined) await logIn(page, url, name);
      await page.goto(url);
      await page.getByRole('link', { name: 'open/app' }).waitFor();
      assert.equal(await page.getByText('secret').count(), 0);
      for (const path of [
        '/?q=secret',
        '/tags?q=h',
        '/repositories/secret/app',
        '/repositories/secret/app/-/tags/hidden',
        '/repositories/secret/app/-/deleted',
        '/repositories/secret/app/-/access',
        '/repositories/secret/app/-/delete?reference=hidden',
        '/repositories/secret/app/-/compare?from=hidden&to=hidden',
      ]) {
        const answer = await page.goto(url + path);
        if (!path.includes('?q=')) assert.equal(answer?.status(), 404, path);
        assert.equal(await page.getByText('hidden').count(), 0, path);
        assert.equal(await page.getByRole('link', { name: 'secret/app' }).count(), 0, path);
      }
      await page.goto(`${url}/repositories/open/app`);
      assert.equal(
        (await page.getByRole('link', { name: 'Delete', exact: true }).count()) > 0,
        name === 'ada',
      );
    }
  });

  test('a form of another site deletes nothing', async () => {
    const path = '/repositories/open/app/-/delete?reference=other';
    const { context, page } = await browser.open();
    await logIn(page, url, 'ada');
    await page.goto(url + path);
    const csrf = (await page.locator('main input[name=csrf]').getAttribute('value')) ?? '';
    const cookie = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
    const send = (headers: Record<string, string>, token = csrf) =>
      registry.send('POST', path, {
        headers: { ...HTML, cookie, 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams({ csrf: token }).toString(),
      });
    assert.equal((await send({ origin: 'https://evil.example' })).status, 403);
    assert.equal((await send({ origin: url, 'sec-fetch-site': 'cross-site' })).status, 403);
    assert.equal((await send({ origin: url }, 'x.y')).status, 403);
    assert.equal((await send({ origin: url, cookie: '' })).status, 403);
    assert.equal((await admin.send('HEAD', '/v2/open/app/manifests/other')).status, 200);
    assert.equal((await send({ origin: url })).status, 303);
    assert.equal((await admin.send('HEAD', '/v2/open/app/manifests/other')).status, 404);
  });

  test('the first view is 4 requests and at most 30 KB', async () => {
    const { page } = await browser.open();
    const paths: string[] = [];
    page.on('request', (request) => paths.push(new URL(request.url()).pathname));
    await page.goto(url, { waitUntil: 'networkidle' });
    assert.ok(paths.length <= 4, `${paths}`);
    let bytes = 0;
    for (const path of new Set(paths)) {
      const answer = await registry.send('GET', path, { headers: HTML });
      assert.equal(answer.headers['content-encoding'], 'gzip');
      assert.ok(gunzipSync(answer.body).length > 0);
      bytes += answer.body.length;
    }
    assert.ok(bytes <= 30_000, `${bytes} bytes`);
  });
});
