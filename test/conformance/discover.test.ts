import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from '../support/registry-client.ts';

// distribution-spec, "Conformance", "Content Discovery". Each test is named by its section and the rule that it checks.
const registry = await startInProcessRegistry({ after });
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
