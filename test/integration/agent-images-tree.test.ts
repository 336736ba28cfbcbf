import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { openAgentImages } from '../support/agent-images.ts';
import { describeTree } from '../support/describe-tree.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { imageFolder } from '../support/image-cache.ts';
import { setUpPodman } from '../support/podman.ts';
import { setUpSkopeo } from '../support/skopeo.ts';
import type { TestImage } from '../support/test-image.ts';
import { makeDebianImage, makeTreeImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

describe('the tree of an image, as podman unpacks it', { skip: unlessRoot() }, () => {
  it('is the same for layers with whiteouts, links, xattrs, devices and 10,000 files', async (t) => {
    const tree = Object.fromEntries(await compare(t, makeTreeImage));
    // That the description of a tree would show a difference at all.
    assert.match(tree['xattrs/ping'] ?? '', / security\.capability=0x/);
    assert.match(tree['xattrs/file'] ?? '', / user\.comment=0x/);
    assert.match(tree['links/first'] ?? '', / links=3 /);
    assert.match(tree['devices/null'] ?? '', /^char 666 0:0 /);
    assert.match(tree['modes/setuid'] ?? '', /^file 4755 /);
    assert.equal(tree['lower/deleted-folder'], undefined);
  });

  it('is the same for a Debian of several layers', async (t) => {
    await compare(t, makeDebianImage);
  });
});

async function compare(
  t: TestContext,
  make: (folder: string) => Promise<TestImage>,
): Promise<ReadonlyMap<string, string>> {
  const { layout, refName } = await make(await imageFolder(t));
  const { host } = await startDockerRegistry(t);
  const { skopeo } = await setUpSkopeo(t);
  const reference = `${host}/tree/${refName}:1`;
  await skopeo(['copy', `oci:${layout}:${refName}`, `docker://${reference}`]);

  const agent = await openAgentImages(t);
  const { image } = await agent.pull(reference);
  const { path } = await agent.overlays.mount('compared', image.diffIds);

  const { podman } = await setUpPodman(t);
  await podman(['pull', '--quiet', '--tls-verify=false', reference]);
  const { stdout } = await podman(['image', 'mount', reference]);
  const expected = await describeTree(stdout.trim());
  const actual = await describeTree(path);
  assert.ok(expected.size > 100);
  assert.deepEqual(Object.fromEntries(actual), Object.fromEntries(expected));
  return actual;
}
