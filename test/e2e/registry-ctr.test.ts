import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startContainerd } from '../support/containerd.ts';
import { imageFolder } from '../support/image-cache.ts';
import { pushLayout } from '../support/push-layout.ts';
import { manifestDigest } from '../support/registry-digests.ts';
import { type RegistryProcess, startRegistry } from '../support/registry-process.ts';
import { makeBusyboxImage, makeMultiArchImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

const options = { skip: unlessRoot(), timeout: 900_000 };
const adminPassword = 'right-password';

/** The native snapshotter unpacks on any filesystem. */
async function setUp(t: TestContext, registry: RegistryProcess) {
  const { ctr } = await startContainerd(t);
  const images = (command: string, ...args: readonly string[]) => ctr(['images', command, ...args]);
  return {
    pull: (name: string, ...args: readonly string[]) =>
      images('pull', '--plain-http', '--snapshotter=native', ...args, `${registry.host}/${name}`),
    push: (name: string, ...args: readonly string[]) =>
      images('push', '--plain-http', ...args, `${registry.host}/${name}`),
    images,
  };
}

test(
  "containerd's ctr pulls, pushes to another repository, and pulls that into an empty store",
  options,
  async (t) => {
    const registry = await startRegistry(t);
    const image = await makeBusyboxImage(await imageFolder(t));
    await pushLayout(image, `${registry.host}/team/app:1`);
    const { pull, push, images } = await setUp(t, registry);
    await pull('team/app:1');
    await images('tag', `${registry.host}/team/app:1`, `${registry.host}/copy/app:2`);
    await push('copy/app:2');
    assert.equal(await manifestDigest(registry.url, 'copy/app', '2'), image.digest);

    await images('rm', '--sync', `${registry.host}/team/app:1`, `${registry.host}/copy/app:2`);
    await pull('copy/app:2');
    const list = await images('ls', '-q');
    assert.equal(list.stdout.trim(), `${registry.host}/copy/app:2`);
  },
);

test('ctr carries all platforms of an index there and back', options, async (t) => {
  const registry = await startRegistry(t);
  const image = await makeMultiArchImage(await imageFolder(t));
  await pushLayout(image, `${registry.host}/team/app:1`);
  const { pull, push, images } = await setUp(t, registry);
  await pull('team/app:1', '--all-platforms');
  await images('tag', `${registry.host}/team/app:1`, `${registry.host}/copy/app:1`);
  await push('copy/app:1');
  assert.equal(await manifestDigest(registry.url, 'copy/app', '1'), image.digest);
});

test('ctr logs in with a user and is refused without', options, async (t) => {
  const registry = await startRegistry(t, { adminPassword });
  const image = await makeBusyboxImage(await imageFolder(t));
  const user = { name: 'admin', password: adminPassword };
  await pushLayout(image, `${registry.host}/team/app:1`, user);
  const { pull } = await setUp(t, registry);
  await assert.rejects(pull('team/app:1'), /401|authorization failed|unauthorized/i);
  await pull('team/app:1', `--user=admin:${adminPassword}`);
});
