import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { agentMounts, startAgent } from '../support/agent-process.ts';
import { describeTree } from '../support/describe-tree.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { setUpPodman } from '../support/podman.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import type { TestImage } from '../support/test-image.ts';
import { makeDebianImage, makeTreeImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

/** What the runtime mounts over the image or makes as its mount points. */
const OF_THE_RUNTIME = /^(proc|sys|dev)(\/|$)|^etc\/(hosts|hostname|resolv\.conf)$|^etc$|^\.dockerenv$/;

describe('the tree inside a container is what podman unpacks', {
  skip: unlessRoot(),
  timeout: 3_600_000,
}, async () => {
  if (unlessRoot() !== false) return;
  const registry = await startRegistry({ after });
  const folder = await imageFolder({ after });
  const agent = await startAgent({ after });
  const { podman } = await setUpPodman({ after });

  /** The container's root as the agent mounted it, in the agent's mount namespace: without /proc and the like over it. */
  const rootOf = async (name: string) => {
    const { stdout: id } = await agent.docker(['inspect', '-f', '{{.Id}}', name]);
    const mount = (await agentMounts(agent)).find((point) => point.includes(id.trim()));
    assert.ok(mount);
    return `/proc/${agent.process().pid}/root${mount}`;
  };

  const compare = async (name: string, image: TestImage) => {
    const reference = `${registry.host}/trees/${name}:1`;
    await pushLayout(image, reference);
    await agent.docker(['pull', '--quiet', reference]);
    await agent.docker([
      'run',
      '--detach',
      // Nobody ever writes, so its shell waits.
      '--interactive',
      '--name',
      name,
      reference,
      '/bin/sh',
      '-c',
      'read line',
    ]);
    await podman(['pull', '--quiet', '--tls-verify=false', reference]);
    const { stdout: mount } = await podman(['image', 'mount', reference]);
    const inside = await treeOf(await rootOf(name));
    const unpacked = await treeOf(mount.trim());
    await agent.docker(['rm', '-f', name]);
    assert.ok(unpacked.size > 100);
    assert.deepEqual(Object.fromEntries(inside), Object.fromEntries(unpacked));
    return inside;
  };

  test('with whiteouts, links, xattrs, devices and 10,000 files', async () => {
    const tree = await compare('tree', await makeTreeImage(folder));
    assert.match(tree.get('xattrs/ping') ?? '', / security\.capability=0x/);
    assert.match(tree.get('links/first') ?? '', / links=3 /);
  });

  test('of a Debian in several layers, whose programs run', async () => {
    const image = await makeDebianImage(folder);
    await compare('debian', image);
    const { stdout } = await agent.docker([
      'run',
      '--rm',
      `${registry.host}/trees/debian:1`,
      'bash',
      '-c',
      'dpkg --version | head -1',
    ]);
    assert.match(stdout, /^Debian 'dpkg'/);
  });
});

async function treeOf(directory: string): Promise<ReadonlyMap<string, string>> {
  const lines = await describeTree(directory);
  return new Map([...lines].filter(([path]) => !OF_THE_RUNTIME.test(path)));
}
