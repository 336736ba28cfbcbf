import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startConformanceRegistry } from '../support/conformance-registry.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { digestOf, OCI_MANIFEST } from '../support/registry-client.ts';

// distribution-spec, "Conformance", "Content Management". Each test is named by its section and the rule that it checks.
const registry = await startConformanceRegistry({ after });
const repository = 'conformance/delete';
const manifests = `/v2/${repository}/manifests`;
const disabled = await startInProcessRegistry({ after }, { deletes: false });
const kept = await disabled.pushImage(repository, 'kept');

test('Deleting tags: MUST be 202, and the tag MUST be 404 afterwards; the manifest stays', async () => {
  const { digest } = await registry.pushImage(repository, 'one');
  assert.equal((await registry.send('DELETE', `${manifests}/one`)).status, 202);
  assert.equal((await registry.send('GET', `${manifests}/one`)).status, 404);
  assert.equal((await registry.send('GET', `${manifests}/${digest}`)).status, 200);
});

test('Deleting tags: one that is not there MUST be 404', async () => {
  assert.equal((await registry.send('DELETE', `${manifests}/none`)).status, 404);
});

test('Deleting Manifests: MUST be 202, and then neither digest nor tags MUST be found', async () => {
  const { digest } = await registry.pushImage(repository, 'two');
  assert.equal((await registry.send('DELETE', `${manifests}/${digest}`)).status, 202);
  for (const reference of [digest, 'two']) {
    assert.equal((await registry.send('GET', `${manifests}/${reference}`)).status, 404);
  }
  const list = await registry.send('GET', `/v2/${repository}/tags/list`);
  assert.equal(JSON.parse(list.body.toString()).tags.includes('two'), false);
});

test('Deleting Manifests: one that is not there MUST be 404', async () => {
  for (const path of [
    `${manifests}/${digestOf('none')}`,
    `/v2/conformance/none/manifests/${digestOf('none')}`,
  ]) {
    assert.equal((await registry.send('DELETE', path)).status, 404);
  }
});

test('Deleting Blobs: MUST be 202, and the blob MUST be 404 afterwards', async () => {
  const { digest } = await registry.pushBlob(repository, 'a blob to delete');
  assert.equal((await registry.send('DELETE', `/v2/${repository}/blobs/${digest}`)).status, 202);
  assert.equal((await registry.send('GET', `/v2/${repository}/blobs/${digest}`)).status, 404);
});

test('Deleting Blobs: one that is not there MUST be 404', async () => {
  assert.equal((await registry.send('DELETE', `/v2/${repository}/blobs/${digestOf('none')}`)).status, 404);
});

for (const [what, path] of [
  ['Deleting tags: where deletion is disabled', `${manifests}/kept`],
  ['Deleting Manifests: where deletion is disabled', `${manifests}/${kept.digest}`],
  ['Deleting Blobs: where deletion is disabled', `/v2/${repository}/blobs/${kept.manifest.config.digest}`],
] as const) {
  test(`${what} it MUST be 400 or 405, and all is still there`, async () => {
    const answer = await disabled.send('DELETE', path);
    assert.ok([400, 405].includes(answer.status));
    assert.equal((await disabled.send('GET', path)).status, 200);
  });
}

test('Deleting Manifests: in a repository that does not exist it MUST be 404', async () => {
  for (const reference of ['latest', digestOf('x')]) {
    assert.equal((await registry.send('DELETE', `/v2/conformance/never/manifests/${reference}`)).status, 404);
  }
});

test('Deleting Manifests: of a referrer takes it off the list of its subject', async () => {
  const image = await registry.pushImage(repository, 'subject');
  const subject = { mediaType: OCI_MANIFEST, digest: image.digest, size: image.bytes.length };
  const referrer = await registry.pushManifest(repository, 'referrer', { ...image.manifest, subject });
  assert.equal((await registry.send('DELETE', `${manifests}/${referrer}`)).status, 202);
  const list = await registry.send('GET', `/v2/${repository}/referrers/${image.digest}`);
  assert.deepEqual(JSON.parse(list.body.toString()).manifests, []);
});
