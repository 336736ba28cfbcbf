import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type InProcessRegistry, startInProcessRegistry } from '../support/in-process-registry.ts';
import { digestOf, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, type TestImage } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';

interface ReferrerDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface ReferrersAnswer {
  readonly manifests: readonly ReferrerDescriptor[];
  readonly next: string | undefined;
  readonly bytes: number;
  readonly filters: unknown;
}

async function listReferrers(registry: InProcessRegistry, path: string): Promise<ReferrersAnswer> {
  const answer = await registry.send('GET', path);
  assert.equal(answer.status, 200, answer.body.toString());
  assert.equal(answer.headers['content-type'], OCI_INDEX);
  const { schemaVersion, mediaType, manifests } = JSON.parse(answer.body.toString());
  assert.equal(schemaVersion, 2);
  assert.equal(mediaType, OCI_INDEX);
  const { link } = answer.headers;
  const next = /^<(\/v2\/[^>]+)>; rel="next"$/.exec(String(link))?.[1];
  assert.equal(link === undefined, next === undefined);
  return { manifests, next, bytes: answer.body.length, filters: answer.headers['oci-filters-applied'] };
}

/** Pushes a manifest about `subject` and answers the descriptor that lists must have of it. */
async function refer(
  registry: InProcessRegistry,
  { digest, bytes, manifest }: TestImage,
  more: object,
): Promise<ReferrerDescriptor> {
  const subject = { mediaType: OCI_MANIFEST, digest, size: bytes.length };
  const body = JSON.stringify({ ...manifest, subject, ...more });
  const headers = { 'Content-Type': OCI_MANIFEST };
  const pushed = await registry.send('PUT', `/v2/team/app/manifests/${digestOf(body)}`, { body, headers });
  assert.equal(pushed.status, 201, pushed.body.toString());
  assert.equal(pushed.headers['oci-subject'], digest);
  return {
    mediaType: OCI_MANIFEST,
    digest: digestOf(body),
    size: Buffer.byteLength(body),
    artifactType: OCI_CONFIG,
    ...more,
  };
}

const byDigest = (a: ReferrerDescriptor, b: ReferrerDescriptor) => (a.digest < b.digest ? -1 : 1);

test('referrers of large annotations come in pages of at most 4 MiB, all of them once', async (t) => {
  const registry = await startInProcessRegistry(t);
  const image = await registry.pushImage('team/app', '1');
  const expected: ReferrerDescriptor[] = [];
  for (let count = 0; count < 25; count += 1) {
    const annotations = { of: String(count), padding: 'é'.repeat(count % 5 === 0 ? 1_500_000 : 1_000) };
    const artifactType = count % 2 === 0 ? 'application/sbom' : 'application/signature';
    expected.push(await refer(registry, image, { artifactType, annotations }));
  }
  const follow = async (path: string) => {
    const found: ReferrerDescriptor[] = [];
    let pages = 0;
    for (let next: string | undefined = path; next !== undefined; pages += 1) {
      const page: ReferrersAnswer = await listReferrers(registry, next);
      assert.ok(page.bytes <= 4 * 1024 * 1024, `${page.bytes} bytes`);
      assert.ok(page.manifests.length > 0);
      found.push(...page.manifests);
      next = page.next;
    }
    return { found, pages };
  };
  const all = await follow(`/v2/team/app/referrers/${image.digest}`);
  assert.deepEqual(all.found, expected.toSorted(byDigest));
  assert.ok(all.pages >= 4, `${all.pages} pages`);
  const some = await follow(`/v2/team/app/referrers/${image.digest}?artifactType=application%2Fsbom`);
  assert.deepEqual(
    some.found,
    expected.filter(({ artifactType }) => artifactType === 'application/sbom').toSorted(byDigest),
  );
  assert.ok(some.pages > 1);
});

test('a page after the last referrer, or after what is no digest', async (t) => {
  const registry = await startInProcessRegistry(t);
  const image = await registry.pushImage('team/app', '1');
  const only = await refer(registry, image, { artifactType: 'a/b' });
  const path = `/v2/team/app/referrers/${image.digest}`;
  assert.deepEqual((await listReferrers(registry, `${path}?last=${only.digest}`)).manifests, []);
  assert.deepEqual((await listReferrers(registry, `${path}?last=x`)).manifests, [only]);
});

test('the filter is announced when there is one, also when nothing passes it', async (t) => {
  const registry = await startInProcessRegistry(t);
  const image = await registry.pushImage('team/app', '1');
  const path = `/v2/team/app/referrers/${image.digest}`;
  const none = await listReferrers(registry, `${path}?artifactType=a/b`);
  assert.deepEqual(none.manifests, []);
  assert.equal(none.filters, 'artifactType');
  assert.equal((await listReferrers(registry, path)).filters, undefined);
  assert.equal((await listReferrers(registry, `${path}?artifactType=`)).filters, undefined);
});

test('an index under the referrers tag is taken in: each once, and only what can be a referrer', async (t) => {
  const registry = await startInProcessRegistry(t);
  const image = await registry.pushImage('team/app', '1');
  const about = await refer(registry, image, { artifactType: 'a/one', annotations: { a: 'b' } });
  const listOnly = { ...image.manifest, artifactType: 'a/two', annotations: { c: 'd' } };
  const listed = await registry.pushManifest('team/app', 'plain', listOnly);
  const other = await registry.pushImage('team/app', 'other');
  const aboutOther = await refer(registry, other, { artifactType: 'a/three' });
  const descriptorOf = (digest: string, size: number) => ({ mediaType: OCI_MANIFEST, digest, size });
  const listedSize = JSON.stringify(listOnly).length;
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [
      descriptorOf(about.digest, about.size),
      { ...descriptorOf(listed, listedSize), artifactType: 'what/the-list-says' },
      descriptorOf(listed, listedSize),
      descriptorOf(aboutOther.digest, aboutOther.size),
      descriptorOf(digestOf('is not here'), 11),
    ],
  };
  await registry.pushManifest('team/app', image.digest.replace(':', '-'), index, OCI_INDEX);
  const expected = [
    about,
    { ...descriptorOf(listed, listedSize), artifactType: 'a/two', annotations: { c: 'd' } },
  ].sort(byDigest);
  const path = `/v2/team/app/referrers/${image.digest}`;
  assert.deepEqual((await listReferrers(registry, path)).manifests, expected);
  const filtered = await listReferrers(registry, `${path}?artifactType=a/two`);
  assert.deepEqual(
    filtered.manifests.map(({ digest }) => digest),
    [listed],
  );
  const [first, second] = expected;
  assert.deepEqual((await listReferrers(registry, `${path}?last=${first?.digest}`)).manifests, [second]);

  await registry.send('DELETE', `/v2/team/app/manifests/${listed}`);
  assert.deepEqual((await listReferrers(registry, path)).manifests, [about]);
});

test('of a sha512 subject the referrers tag has the first 64 digits', async (t) => {
  const registry = await startInProcessRegistry(t);
  const image = await registry.pushImage('team/app', '1');
  const subject = digestOf(image.bytes, 'sha512');
  const member = { mediaType: OCI_MANIFEST, digest: image.digest, size: image.bytes.length };
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [member] };
  await registry.pushManifest('team/app', `sha512-${subject.slice(7, 71)}`, index, OCI_INDEX);
  const { manifests } = await listReferrers(registry, `/v2/team/app/referrers/${subject}`);
  assert.deepEqual(
    manifests.map(({ digest }) => digest),
    [image.digest],
  );
});

test('what is no index under the referrers tag changes nothing', async (t) => {
  const registry = await startInProcessRegistry(t);
  const image = await registry.pushImage('team/app', '1');
  await registry.pushManifest('team/app', image.digest.replace(':', '-'), image.manifest);
  assert.deepEqual((await listReferrers(registry, `/v2/team/app/referrers/${image.digest}`)).manifests, []);
});

test('an index that is a referrer has an artifactType only when it says one; a deleted referrer is gone', async (t) => {
  const registry = await startInProcessRegistry(t);
  const image = await registry.pushImage('team/app', '1');
  const subject = { mediaType: OCI_MANIFEST, digest: image.digest, size: image.bytes.length };
  const path = `/v2/team/app/referrers/${image.digest}`;
  const plain = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], subject };
  const typed = { ...plain, artifactType: 'a/index' };
  const digests = [
    await registry.pushManifest('team/app', 'plain', plain, OCI_INDEX),
    await registry.pushManifest('team/app', 'typed', typed, OCI_INDEX),
  ];
  const { manifests } = await listReferrers(registry, path);
  const types = new Map(manifests.map(({ digest, artifactType }) => [digest, artifactType]));
  assert.deepEqual(
    digests.map((digest) => types.get(digest)),
    [undefined, 'a/index'],
  );
  for (const digest of digests) await registry.send('DELETE', `/v2/team/app/manifests/${digest}`);
  assert.deepEqual((await listReferrers(registry, path)).manifests, []);
  expectError(await registry.send('GET', '/v2/team/app/referrers/latest'), 400, 'DIGEST_INVALID');
});
