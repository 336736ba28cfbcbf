import assert from 'node:assert/strict';
import test from 'node:test';
import { startDockerd } from '../support/dockerd.ts';
import { imageFolder } from '../support/image-cache.ts';
import { loadIntoDocker } from '../support/load-into-docker.ts';
import { manifestDigest } from '../support/registry-digests.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeBusyboxImage, makeDebianImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

const options = { skip: unlessRoot(), timeout: 900_000 };

test(
  'docker pushes, finds its layers there the second time, and pulls into an empty store',
  options,
  async (t) => {
    const registry = await startRegistry(t);
    const { docker } = await startDockerd(t);
    const reference = `${registry.host}/team/app:1`;
    await loadIntoDocker(t, { docker }, await makeBusyboxImage(await imageFolder(t)), reference);

    const first = await docker(['push', reference]);
    assert.match(first.stdout, /Pushed/);
    const digest = /1: digest: (sha256:[0-9a-f]{64})/.exec(first.stdout)?.[1];
    assert.equal(await manifestDigest(registry.url, 'team/app', '1'), digest);

    const second = await docker(['push', reference]);
    assert.match(second.stdout, /Layer already exists/);
    assert.doesNotMatch(second.stdout, /Pushed/);

    await docker(['rmi', reference]);
    const pulled = await docker(['pull', reference]);
    assert.match(pulled.stdout, new RegExp(`Digest: ${digest}`));
    assert.match(pulled.stdout, /Pull complete/);
    const run = await docker(['run', '--rm', '--network=none', reference, 'echo', 'it runs']);
    assert.equal(run.stdout, 'it runs\n');
  },
);

test('docker pulls by digest', options, async (t) => {
  const registry = await startRegistry(t);
  const { docker } = await startDockerd(t);
  const reference = `${registry.host}/team/app:1`;
  await loadIntoDocker(t, { docker }, await makeBusyboxImage(await imageFolder(t)), reference);
  await docker(['push', reference]);
  const digest = await manifestDigest(registry.url, 'team/app', '1');
  await docker(['rmi', reference]);
  const pulled = await docker(['pull', `${registry.host}/team/app@${digest}`]);
  assert.match(pulled.stdout, /Downloaded newer image/);
});

test('docker mounts layers from another repository', options, async (t) => {
  const registry = await startRegistry(t);
  const { docker } = await startDockerd(t);
  const reference = `${registry.host}/team/app:1`;
  const copy = `${registry.host}/other/deep/name:1`;
  await loadIntoDocker(t, { docker }, await makeBusyboxImage(await imageFolder(t)), reference);
  await docker(['push', reference]);
  await docker(['tag', reference, copy]);
  const pushed = await docker(['push', copy]);
  assert.match(pushed.stdout, /Mounted from team\/app/);
  await docker(['rmi', reference, copy]);
  await docker(['pull', copy]);
});

test('docker carries a Debian tree of four layers there and back', options, async (t) => {
  const registry = await startRegistry(t);
  const { docker } = await startDockerd(t);
  const reference = `${registry.host}/team/app:1`;
  await loadIntoDocker(t, { docker }, await makeDebianImage(await imageFolder(t)), reference);
  const inspect = ['image', 'inspect', '--format={{.Id}} {{.RootFS.Layers}}', reference];
  const before = await docker(inspect);
  await docker(['push', reference]);
  await docker(['rmi', reference]);
  await docker(['pull', '--quiet', reference]);
  assert.equal((await docker(inspect)).stdout, before.stdout);
});

test('docker is told that an image is not there', options, async (t) => {
  const registry = await startRegistry(t);
  const { docker } = await startDockerd(t);
  const pulled = await docker(['pull', `${registry.host}/team/missing:1`], { expectExit: 1 });
  assert.match(pulled.stderr, /not found|manifest unknown/);
});
