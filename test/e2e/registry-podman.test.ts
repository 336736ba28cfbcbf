import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { imageFolder } from '../support/image-cache.ts';
import { setUpPodman } from '../support/podman.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeBusyboxImage, makeMultiArchImage, makeTreeImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

const options = { skip: unlessRoot(), timeout: 900_000 };
const adminPassword = 'right-password';

test('podman pushes an image with 10,000 files and pulls it back', options, async (t) => {
  const registry = await startRegistry(t);
  const { podman } = await setUpPodman(t);
  const image = await makeTreeImage(await imageFolder(t));
  const reference = `${registry.host}/team/tree:1`;
  const loaded = await podman(['pull', '--quiet', `oci:${image.layout}:${image.refName}`]);
  const id = loaded.stdout.trim();
  await podman(['push', '--tls-verify=false', id, reference]);
  await podman(['rmi', '--force', id]);
  const pulled = await podman(['pull', '--quiet', '--tls-verify=false', reference]);
  assert.equal(pulled.stdout.trim(), id);
});

test('podman pushes what it pulled with zstd and plain layers', options, async (t) => {
  const registry = await startRegistry(t);
  const { podman } = await setUpPodman(t);
  const folder = await imageFolder(t);
  for (const compression of ['zstd', 'none'] as const) {
    const reference = `${registry.host}/team/${compression}:1`;
    await pushLayout(await makeBusyboxImage(folder, compression), reference);
    await podman(['pull', '--quiet', '--tls-verify=false', reference]);
    await podman(['push', '--tls-verify=false', reference, `${registry.host}/copy/${compression}:1`]);
    await podman(['rmi', reference]);
    await podman(['pull', '--quiet', '--tls-verify=false', `${registry.host}/copy/${compression}:1`]);
  }
});

test(
  'podman makes a manifest list, pushes all of it and pulls the part for each platform',
  options,
  async (t) => {
    const registry = await startRegistry(t);
    const { podman } = await setUpPodman(t);
    const source = `${registry.host}/team/source:1`;
    await pushLayout(await makeMultiArchImage(await imageFolder(t)), source);
    await podman(['manifest', 'create', 'list']);
    await podman(['manifest', 'add', '--all', '--tls-verify=false', 'list', `docker://${source}`]);
    const target = `${registry.host}/team/list:1`;
    await podman(['manifest', 'push', '--all', '--tls-verify=false', 'list', `docker://${target}`]);
    for (const architecture of ['amd64', 'arm64']) {
      await podman(['pull', '--quiet', '--tls-verify=false', `--arch=${architecture}`, target]);
      const found = await podman(['image', 'inspect', '--format={{.Architecture}}', target]);
      assert.equal(found.stdout.trim(), architecture);
    }
  },
);

test('podman pushes an artifact of plain text, whose media type has a parameter', options, async (t) => {
  const registry = await startRegistry(t);
  const { podman } = await setUpPodman(t);
  const folder = await mkdtemp(join(tmpdir(), 'berth-artifact-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'notes.txt');
  await writeFile(file, 'plain words\n');
  const reference = `${registry.host}/team/notes:1`;
  await podman(['artifact', 'add', reference, file]);
  await podman(['artifact', 'push', '--tls-verify=false', reference]);
  const answer = await fetch(`${registry.url}/v2/team/notes/manifests/1`);
  const manifest = (await answer.json()) as { layers: { mediaType: string }[] };
  assert.equal(manifest.layers[0]?.mediaType, 'text/plain; charset=utf-8');
  await podman(['artifact', 'rm', reference]);
  await podman(['artifact', 'pull', '--quiet', '--tls-verify=false', reference]);
});

test('podman logs in, and is refused with a wrong password', options, async (t) => {
  const registry = await startRegistry(t, { adminPassword });
  const { podman } = await setUpPodman(t);
  const login = ['login', '--tls-verify=false', '--username=admin', '--password-stdin', registry.host];
  const refused = await podman(login, { input: 'wrong', expectExit: 125 });
  assert.match(refused.stderr, /invalid username\/password/);
  assert.match((await podman(login, { input: adminPassword })).stdout, /Login Succeeded/);

  const image = await makeBusyboxImage(await imageFolder(t));
  const loaded = await podman(['pull', '--quiet', `oci:${image.layout}:${image.refName}`]);
  const reference = `${registry.host}/team/app:1`;
  await podman(['push', '--tls-verify=false', loaded.stdout.trim(), reference]);
  await podman(['logout', registry.host]);
  const anonymous = await podman(['pull', '--tls-verify=false', reference], { expectExit: 125 });
  assert.match(anonymous.stderr, /unauthorized|authentication required|access to the resource is denied/i);
});
