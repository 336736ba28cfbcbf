import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startConformanceRegistry } from '../support/conformance-registry.ts';
import { digestOf, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from '../support/registry-client.ts';

// distribution-spec, "Conformance", "Content Discovery". Each test is named by its section and the rule that it checks.
const registry = await startConformanceRegistry({ after });
const repository = 'conformance/list';
const list = `/v2/${repository}/tags/list`;
const sorted = ['0.9', '1.0', '1.0-alpha', '1.1', 'Beta', 'alpha', 'latest'];
const { digest, bytes, manifest } = await registry.pushImage(repository, 'latest');
for (const tag of ['alpha', '1.1', 'Beta', '0.9', '1.0-alpha', '1.0']) {
  await registry.pushManifest(repository, tag, manifest);
}

async function tagsOf(path: string): Promise<{ readonly tags: readonly string[]; readonly link?: string }> {
  const answer = await registry.send('GET', path);
  assert.equal(answer.status, 200, answer.body.toString());
  const { name, tags } = JSON.parse(answer.body.toString());
  assert.equal(name, repository);
  const { link } = answer.headers;
  return { tags, ...(typeof link === 'string' && { link }) };
}

test('Listing Tags: MUST be 200 with a JSON of name and tags, in ASCII order', async () => {
  const { tags } = await tagsOf(list);
  assert.deepEqual(tags, sorted);
});

test('Listing Tags: MUST NOT have more than n, and the rest is behind Link', async () => {
  const first = await tagsOf(`${list}?n=3`);
  assert.deepEqual(first.tags, sorted.slice(0, 3));
  const next = /^<([^>]+)>; rel="next"$/.exec(first.link ?? '')?.[1];
  assert.ok(next !== undefined);
  assert.deepEqual((await tagsOf(next)).tags, sorted.slice(3, 6));
});

test('Listing Tags: the last page has no Link', async () => {
  assert.deepEqual(await tagsOf(`${list}?n=3&last=Beta`), { tags: ['alpha', 'latest'] });
  assert.deepEqual(await tagsOf(`${list}?n=7`), { tags: sorted });
});

test('Listing Tags: with n=0 the list MUST be empty and MUST NOT have a Link', async () => {
  assert.deepEqual(await tagsOf(`${list}?n=0`), { tags: [] });
});

test('Listing Tags: last MUST begin after that tag, also when there is no such tag', async () => {
  assert.deepEqual((await tagsOf(`${list}?last=1.1`)).tags, sorted.slice(4));
  assert.deepEqual((await tagsOf(`${list}?last=1.05`)).tags, sorted.slice(3));
});

test('Listing Tags: an unknown repository is 404', async () => {
  assert.equal((await registry.send('GET', '/v2/conformance/none/tags/list')).status, 404);
});

test('Listing Referrers: MUST be 200 with an index, an empty one where there are none', async () => {
  for (const path of [`/v2/${repository}/referrers/${digest}`, `/v2/conformance/none/referrers/${digest}`]) {
    const answer = await registry.send('GET', path);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], OCI_INDEX);
    const index = JSON.parse(answer.body.toString());
    assert.deepEqual(index, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });
  }
});

test('Listing Referrers: descriptors MUST have artifactType, else the type of the config, and annotations', async (t) => {
  const subject = { mediaType: OCI_MANIFEST, digest, size: bytes.length };
  const repositoryPath = `/v2/${repository}/manifests`;
  const withType = await registry.pushManifest(repository, 'sbom', {
    ...manifest,
    artifactType: 'application/vnd.example.sbom',
    annotations: { 'org.example.a': 'b' },
    subject,
  });
  const withoutType = await registry.pushManifest(repository, 'signature', { ...manifest, subject });
  t.after(async () => {
    for (const pushed of [withType, withoutType])
      await registry.send('DELETE', `${repositoryPath}/${pushed}`);
  });
  const answer = await registry.send('GET', `/v2/${repository}/referrers/${digest}`);
  const { manifests } = JSON.parse(answer.body.toString());
  assert.equal(manifests.length, 2);
  const find = (wanted: string) => manifests.find((found: { digest: string }) => found.digest === wanted);
  assert.equal(find(withType).artifactType, 'application/vnd.example.sbom');
  assert.deepEqual(find(withType).annotations, { 'org.example.a': 'b' });
  assert.equal(find(withType).mediaType, OCI_MANIFEST);
  assert.equal(find(withoutType).artifactType, OCI_CONFIG);

  const filtered = await registry.send(
    'GET',
    `/v2/${repository}/referrers/${digest}?artifactType=application/vnd.example.sbom`,
  );
  assert.equal(filtered.headers['oci-filters-applied'], 'artifactType');
  assert.deepEqual(JSON.parse(filtered.body.toString()).manifests, [find(withType)]);
});

test('Listing Referrers: a digest that is not valid MUST be 400', async () => {
  assert.equal((await registry.send('GET', `/v2/${repository}/referrers/sha256:x`)).status, 400);
});

test('Listing Tags: with n there MUST be n results, unless a Link says that there are more', async () => {
  for (let n = 1; n <= sorted.length + 1; n += 1) {
    const { tags, link } = await tagsOf(`${list}?n=${n}`);
    assert.deepEqual(tags, sorted.slice(0, n));
    assert.equal(link !== undefined, n < sorted.length);
  }
});

test('Listing Tags: following the links gives every tag once, in order, whatever n is', async () => {
  for (const n of [1, 2, 3, 5, 1000, 1_000_000]) {
    const found: string[] = [];
    for (let next: string | undefined = `${list}?n=${n}`; next !== undefined; ) {
      const page: { tags: readonly string[]; link?: string } = await tagsOf(next);
      found.push(...page.tags);
      next = /^<([^>]+)>; rel="next"$/.exec(page.link ?? '')?.[1];
    }
    assert.deepEqual(found, sorted);
  }
});

test('Listing Tags: n and last together MUST give up to n tags after last, which is not among them', async () => {
  for (const [position, last] of sorted.entries()) {
    const { tags } = await tagsOf(`${list}?n=2&last=${last}`);
    assert.deepEqual(tags, sorted.slice(position + 1, position + 3));
  }
  assert.deepEqual((await tagsOf(`${list}?n=2&last=zzz`)).tags, []);
});

test('Listing Tags: the list MAY be empty: then it is one, and no null', async () => {
  const image = await registry.pushImage('conformance/untagged', 'gone');
  await registry.send('DELETE', '/v2/conformance/untagged/manifests/gone');
  const answer = await registry.send('GET', '/v2/conformance/untagged/tags/list');
  assert.equal(answer.status, 200);
  assert.deepEqual(JSON.parse(answer.body.toString()), { name: 'conformance/untagged', tags: [] });
  assert.equal(
    (await registry.send('GET', `/v2/conformance/untagged/manifests/${image.digest}`)).status,
    200,
  );
});

interface Descriptor {
  readonly digest: string;
  readonly artifactType?: string;
}

async function referrersOf(path: string) {
  const answer = await registry.send('GET', path);
  assert.equal(answer.status, 200);
  const { manifests } = JSON.parse(answer.body.toString()) as { manifests: readonly Descriptor[] };
  const next = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1];
  return { manifests, next, filters: answer.headers['oci-filters-applied'] };
}

test('Listing Referrers: a list that does not fit one manifest MUST have a Link, and other descriptors behind it', async () => {
  const subject = { mediaType: OCI_MANIFEST, digest: digestOf('a subject of many'), size: 17 };
  const pushed = new Set<string>();
  for (let count = 0; count < 6; count += 1) {
    const annotations = { of: String(count), padding: 'x'.repeat(1_200_000) };
    pushed.add(
      await registry.pushManifest(repository, `many-${count}`, { ...manifest, subject, annotations }),
    );
  }
  const found: string[] = [];
  let pages = 0;
  for (
    let next: string | undefined = `/v2/${repository}/referrers/${subject.digest}`;
    next !== undefined;
    pages += 1
  ) {
    const page: Awaited<ReturnType<typeof referrersOf>> = await referrersOf(next);
    found.push(...page.manifests.map((descriptor) => descriptor.digest));
    next = page.next;
  }
  assert.ok(pages > 1);
  assert.equal(found.length, pushed.size);
  assert.deepEqual(new Set(found), pushed);
});

test('Listing Referrers: of an index without an artifactType the descriptor MUST have none', async () => {
  const subject = { mediaType: OCI_MANIFEST, digest: digestOf('a subject of indexes'), size: 20 };
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], subject };
  const plain = await registry.pushManifest(repository, 'index-plain', index, OCI_INDEX);
  const typed = await registry.pushManifest(
    repository,
    'index-typed',
    { ...index, artifactType: 'a/b' },
    OCI_INDEX,
  );
  const { manifests } = await referrersOf(`/v2/${repository}/referrers/${subject.digest}`);
  const find = (wanted: string) => manifests.find((descriptor) => descriptor.digest === wanted);
  assert.equal('artifactType' in (find(plain) ?? { artifactType: 0 }), false);
  assert.equal(find(typed)?.artifactType, 'a/b');
});

test('Listing Referrers: a filter that is applied MUST be named in OCI-Filters-Applied, and no other', async () => {
  const path = `/v2/${repository}/referrers/${digestOf('whatever')}`;
  assert.equal((await referrersOf(`${path}?artifactType=a/b`)).filters, 'artifactType');
  assert.equal((await referrersOf(path)).filters, undefined);
  assert.equal((await referrersOf(`${path}?unknown=a/b`)).filters, undefined);
});

test('Listing Referrers: MUST NOT be 404, and MUST be 400 for what is no digest', async () => {
  for (const name of ['conformance/never-seen', repository]) {
    assert.equal(
      (await registry.send('GET', `/v2/${name}/referrers/${digestOf('x', 'sha512')}`)).status,
      200,
    );
    for (const bad of ['latest', 'sha256:abc', `md5:${'a'.repeat(32)}`]) {
      assert.equal((await registry.send('GET', `/v2/${name}/referrers/${bad}`)).status, 400, bad);
    }
  }
});

test('Enabling the Referrers API: manifests listed under the referrers tag MUST be in the answer, new ones too', async () => {
  const subject = { mediaType: OCI_MANIFEST, digest: digestOf('a subject of old'), size: 16 };
  const listed = await registry.pushManifest(repository, 'listed', { ...manifest, subject });
  const size = JSON.stringify({ ...manifest, subject }).length;
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [{ mediaType: OCI_MANIFEST, digest: listed, size }],
  };
  await registry.pushManifest(repository, subject.digest.replace(':', '-'), index, OCI_INDEX);
  const newer = await registry.pushManifest(repository, 'newer', {
    ...manifest,
    subject,
    annotations: { a: 'b' },
  });
  const { manifests } = await referrersOf(`/v2/${repository}/referrers/${subject.digest}`);
  assert.deepEqual(manifests.map((descriptor) => descriptor.digest).sort(), [listed, newer].sort());
});
