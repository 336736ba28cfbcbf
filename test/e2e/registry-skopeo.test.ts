import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { sendRequest } from '../support/http-client.ts';
import { imageFolder } from '../support/image-cache.ts';
import { pushLayout } from '../support/push-layout.ts';
import { manifestDigest } from '../support/registry-digests.ts';
import { startRegistry } from '../support/registry-process.ts';
import { setUpSkopeo } from '../support/skopeo.ts';
import { makeBusyboxImage, makeDockerSchema2Image, makeMultiArchImage } from '../support/test-images.ts';

const options = { timeout: 900_000 };
const adminPassword = 'right-password';

for (const [name, make] of [
  ['an OCI image', makeBusyboxImage],
  ['an image with a zstd layer', (folder: string) => makeBusyboxImage(folder, 'zstd')],
  ['a multi-arch index', makeMultiArchImage],
] as const) {
  test(`skopeo copies ${name} there and back, byte for byte`, options, async (t) => {
    const registry = await startRegistry(t);
    const { skopeo, directory } = await setUpSkopeo(t);
    const image = await make(await imageFolder(t));
    const target = `docker://${registry.host}/team/app:1`;
    await skopeo(['copy', '--all', '--preserve-digests', `oci:${image.layout}:${image.refName}`, target]);
    assert.equal(await manifestDigest(registry.url, 'team/app', '1'), image.digest);
    await skopeo(['copy', '--all', '--preserve-digests', target, `oci:${directory}/back:1`]);
    const index = JSON.parse(await readFile(join(directory, 'back/index.json'), 'utf8')) as {
      readonly manifests: readonly { readonly digest: string }[];
    };
    assert.equal(index.manifests[0]?.digest, image.digest);
  });
}

test(
  'skopeo copies a Docker schema 2 image from one repository to another, byte for byte',
  options,
  async (t) => {
    const registry = await startRegistry(t);
    const { skopeo } = await setUpSkopeo(t);
    const image = await makeDockerSchema2Image(await imageFolder(t));
    await pushLayout(image, `${registry.host}/team/app:1`);
    const source = `docker://${registry.host}/team/app:1`;
    await skopeo(['copy', '--preserve-digests', source, `docker://${registry.host}/copy:2`]);
    assert.equal(await manifestDigest(registry.url, 'copy', '2'), image.digest);
    const manifest = await sendRequest(`${registry.url}/v2/copy/manifests/2`);
    assert.equal(manifest.headers['content-type'], image.mediaType);
  },
);

test('skopeo converts on the way: schema 2 to OCI, OCI to schema 2', options, async (t) => {
  const registry = await startRegistry(t);
  const { skopeo } = await setUpSkopeo(t);
  const image = await makeBusyboxImage(await imageFolder(t));
  const base = `docker://${registry.host}/team/app`;
  await skopeo(['copy', '--format=v2s2', `oci:${image.layout}:${image.refName}`, `${base}:docker`]);
  await skopeo(['copy', '--format=oci', `${base}:docker`, `${base}:oci`]);
  const types = [];
  for (const tag of ['docker', 'oci']) {
    types.push((await sendRequest(`${registry.url}/v2/team/app/manifests/${tag}`)).headers['content-type']);
  }
  assert.deepEqual(types, [
    'application/vnd.docker.distribution.manifest.v2+json',
    'application/vnd.oci.image.manifest.v1+json',
  ]);
});

test('skopeo inspects, lists tags and deletes', options, async (t) => {
  const registry = await startRegistry(t);
  const { skopeo } = await setUpSkopeo(t);
  const image = await makeMultiArchImage(await imageFolder(t));
  for (const tag of ['b', 'a', 'c']) await pushLayout(image, `${registry.host}/team/app:${tag}`);
  const repository = `docker://${registry.host}/team/app`;

  const inspected = JSON.parse(
    (await skopeo(['inspect', '--override-arch=arm64', `${repository}:a`])).stdout,
  );
  assert.equal(inspected.Digest, image.digest);
  assert.equal(inspected.Architecture, 'arm64');
  assert.deepEqual(inspected.RepoTags, ['a', 'b', 'c']);
  const listed = JSON.parse((await skopeo(['list-tags', repository])).stdout);
  assert.deepEqual(listed.Tags, ['a', 'b', 'c']);

  await skopeo(['delete', `${repository}:a`]);
  const gone = await skopeo(['inspect', `${repository}:a`], { expectExit: 2 });
  assert.match(gone.stderr, /manifest unknown/);
});

test('skopeo authenticates as admin and is refused with a wrong password', options, async (t) => {
  const registry = await startRegistry(t, { adminPassword });
  const { skopeo } = await setUpSkopeo(t);
  const image = await makeBusyboxImage(await imageFolder(t));
  const source = `oci:${image.layout}:${image.refName}`;
  const target = `docker://${registry.host}/team/app:1`;
  await skopeo(['copy', `--dest-creds=admin:${adminPassword}`, source, target]);
  const refused = await skopeo(['copy', '--dest-creds=admin:wrong', source, target], { expectExit: 1 });
  assert.match(refused.stderr, /unauthorized|invalid username\/password|authentication required/i);
  const anonymous = await skopeo(['inspect', target], { expectExit: 1 });
  assert.match(anonymous.stderr, /unauthorized|authentication required|access to the resource is denied/i);
});
