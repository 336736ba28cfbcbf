import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type InProcessRegistry, startInProcessRegistry } from '../support/in-process-registry.ts';
import { digestOf, OCI_INDEX, OCI_MANIFEST } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';

/** Follows Link headers to the end and answers the pages. */
async function pagesOf(registry: InProcessRegistry, path: string, key: 'tags' | 'repositories') {
  const pages: string[][] = [];
  let next: string | undefined = path;
  while (next !== undefined) {
    const answer = await registry.send('GET', next);
    assert.equal(answer.status, 200, answer.body.toString());
    pages.push(JSON.parse(answer.body.toString())[key]);
    const link = answer.headers.link as string | undefined;
    if (link !== undefined) assert.match(link, /^<\/v2\/[^>]+>; rel="next"$/);
    next = link?.slice(1, link.indexOf('>'));
    assert.ok(pages.length < 100, 'the pages do not end');
  }
  return pages;
}

async function registryWithTags(registry: InProcessRegistry, tags: readonly string[]): Promise<void> {
  const { bytes } = await registry.pushImage('team/app', tags[0] ?? '');
  for (const tag of tags.slice(1)) {
    const options = { body: bytes, headers: { 'Content-Type': OCI_MANIFEST } };
    assert.equal((await registry.send('PUT', `/v2/team/app/manifests/${tag}`, options)).status, 201);
  }
}

test('tags: sorted, paged by n and last, with Link to the end', async (t) => {
  const registry = await startInProcessRegistry(t);
  await registryWithTags(registry, ['v2', 'v10', 'latest', 'V1', '_x', '1.0', 'a-b']);
  const sorted = ['1.0', 'V1', '_x', 'a-b', 'latest', 'v10', 'v2'];
  const list = '/v2/team/app/tags/list';
  assert.deepEqual(await pagesOf(registry, list, 'tags'), [sorted]);
  assert.deepEqual(await pagesOf(registry, `${list}?n=3`, 'tags'), [
    sorted.slice(0, 3),
    sorted.slice(3, 6),
    sorted.slice(6),
  ]);
  assert.deepEqual(await pagesOf(registry, `${list}?n=7`, 'tags'), [sorted]);
  assert.deepEqual(await pagesOf(registry, `${list}?last=b`, 'tags'), [['latest', 'v10', 'v2']]);
  assert.deepEqual(await pagesOf(registry, `${list}?n=2&last=v2`, 'tags'), [[]]);
  for (const n of ['999999999', `${Number.MAX_SAFE_INTEGER}`, '9'.repeat(30), '']) {
    assert.deepEqual(await pagesOf(registry, `${list}?n=${n}`, 'tags'), [sorted]);
  }
  const none = await registry.send('GET', `${list}?n=0`);
  assert.deepEqual(JSON.parse(none.body.toString()), { name: 'team/app', tags: [] });
  assert.equal(none.headers.link, undefined);
});

test('page sizes that are no numbers: 400', async (t) => {
  const registry = await startInProcessRegistry(t);
  await registryWithTags(registry, ['1']);
  for (const n of ['-1', 'x', '1.5', '1e3', '%20', '99999999999999999999x']) {
    expectError(await registry.send('GET', `/v2/team/app/tags/list?n=${n}`), 400, 'UNSUPPORTED');
    expectError(await registry.send('GET', `/v2/_catalog?n=${n}`), 400, 'UNSUPPORTED');
  }
});

test('tags of an unknown repository: 404; of one whose tags are gone: an empty list', async (t) => {
  const registry = await startInProcessRegistry(t);
  expectError(await registry.send('GET', '/v2/team/app/tags/list'), 404, 'NAME_UNKNOWN');
  await registryWithTags(registry, ['1']);
  assert.equal((await registry.send('DELETE', '/v2/team/app/manifests/1')).status, 202);
  const answer = await registry.send('GET', '/v2/team/app/tags/list');
  assert.equal(answer.body.toString(), '{"name":"team/app","tags":[]}');
});

test('the catalog, paged', async (t) => {
  const registry = await startInProcessRegistry(t);
  const empty = await registry.send('GET', '/v2/_catalog');
  assert.equal(empty.body.toString(), '{"repositories":[]}');
  const names = ['a', 'team/a', 'team/a-b', 'team/a/b', 'team/b', 'z'];
  for (const name of [...names].reverse()) await registry.pushImage(name, '1');
  const sorted = [...names].sort();
  assert.deepEqual(await pagesOf(registry, '/v2/_catalog', 'repositories'), [sorted]);
  assert.deepEqual(await pagesOf(registry, '/v2/_catalog?n=4', 'repositories'), [
    sorted.slice(0, 4),
    sorted.slice(4),
  ]);
  assert.deepEqual(await pagesOf(registry, '/v2/_catalog?n=0', 'repositories'), [[]]);
});

test('referrers: an index always, filtered by artifactType', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest: subject, manifest, bytes } = await registry.pushImage('team/app', '1');
  const path = `/v2/team/app/referrers/${subject}`;
  for (const empty of [path, `/v2/team/none/referrers/${subject}`]) {
    const answer = await registry.send('GET', empty);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], OCI_INDEX);
    assert.deepEqual(JSON.parse(answer.body.toString()), {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [],
    });
  }
  const refer = async (artifactType: string) => {
    const body = JSON.stringify({
      ...manifest,
      artifactType,
      subject: { mediaType: OCI_MANIFEST, digest: subject, size: bytes.length },
      annotations: { of: artifactType },
    });
    const headers = { 'Content-Type': OCI_MANIFEST };
    const digest = digestOf(body);
    const put = await registry.send('PUT', `/v2/team/app/manifests/${digest}`, { body, headers });
    assert.equal(put.status, 201);
    assert.equal(put.headers['oci-subject'], subject);
    return {
      mediaType: OCI_MANIFEST,
      digest,
      size: body.length,
      artifactType,
      annotations: { of: artifactType },
    };
  };
  const sbom = await refer('application/sbom');
  const signature = await refer('application/signature');
  const all = await registry.send('GET', path);
  const byDigest = (a: { digest: string }, b: { digest: string }) => a.digest.localeCompare(b.digest);
  assert.deepEqual(
    JSON.parse(all.body.toString()).manifests.sort(byDigest),
    [sbom, signature].sort(byDigest),
  );
  assert.equal(all.headers['oci-filters-applied'], undefined);
  const some = await registry.send('GET', `${path}?artifactType=application/sbom`);
  assert.deepEqual(JSON.parse(some.body.toString()).manifests, [sbom]);
  assert.equal(some.headers['oci-filters-applied'], 'artifactType');
});
