import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openImportSource } from '../../server/cli/import-source.ts';
import { DockerRegistrySource } from '../../storage/import/docker-registry-source.ts';
import { FolderTree } from '../../storage/import/folder-tree.ts';
import { describeImportSource } from '../contract/import-source.ts';
import { runBerth } from '../support/berth-command.ts';
import { TEST_CACHE } from '../support/compile-cache.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { sendRequest } from '../support/http-client.ts';
import { startProcess } from '../support/managed-process.ts';
import { manifestDigest } from '../support/registry-digests.ts';
import { type RegistryProcess, startRegistry } from '../support/registry-process.ts';
import { attachedTo, type FilledRegistry, fillRegistry } from '../support/source-registry.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const options = { timeout: 900_000 };
const SWEEPER = join(import.meta.dirname, '../support/sweep-for-ever.ts');
const scope = { after };
const source = await startDockerRegistry(scope);
const filled = await fillRegistry(scope, source.host);

describeImportSource('a folder of docker-registry', async () => ({
  source: new DockerRegistrySource(new FolderTree(source.dataDir)),
  filled,
  lists: { manifests: true, referrers: false },
}));

describeImportSource('docker-registry over HTTP', async () => ({
  source: await openImportSource(source.url, undefined, { DOCKER_CONFIG: '/nowhere' }),
  filled,
  lists: { manifests: false, referrers: false },
}));

test('a folder of docker-registry is imported: every image pulls with its digest', options, async (t) => {
  const data = await freshFolder(t);
  const first = await runBerth('import', '--from', source.dataDir, '--data', data);
  assert.equal(first.exitCode, 0, first.stdout + first.stderr);
  const registry = await startRegistry(t, { dataDir: data });
  await checkImages(registry, filled);
  assert.deepEqual(await attachedTo(t, `${registry.host}/team/app:1`), ['application/vnd.berth.sbom']);
  await checkAbsent(registry, filled.deleted);
  await checkAbsent(registry, `team/app@${filled.untagged}`);

  const again = await runBerth('import', '--from', source.dataDir, '--data', data, '--untagged');
  assert.match(again.stdout, /^solo: 2 tags; new: 0 manifests, 0 blobs \(0 B\)$/m);
  assert.match(again.stdout, /^team\/app: 4 tags; new: 1 manifest, 1 blob /m);
  assert.equal(await manifestDigest(registry.url, 'team/app', filled.untagged), filled.untagged);
  await checkAbsent(registry, filled.deleted);
  assert.equal((await runBerth('fsck', '--data', data)).exitCode, 0);
});

test(
  'a running docker-registry is imported over HTTP beside a running berth, and catches up',
  options,
  async (t) => {
    const registry = await startRegistry(t);
    const bring = (...args: string[]) =>
      runBerth('import', '--from', source.url, '--data', registry.dataDir, ...args);
    const one = await bring('--repository', 'solo');
    assert.equal(one.exitCode, 0, one.stdout + one.stderr);
    assert.match(one.stdout, /^1 repository: 2 tags; new: 2 manifests/m);
    const rest = await bring();
    assert.match(rest.stdout, /^solo: 2 tags; new: 0 manifests, 0 blobs \(0 B\)$/m);
    await checkImages(registry, filled);
    assert.deepEqual(await attachedTo(t, `${registry.host}/team/app:1`), ['application/vnd.berth.sbom']);
    await checkAbsent(registry, filled.deleted);
    const refused = await bring('--untagged');
    assert.equal(refused.exitCode, 2);
  },
);

test('what is damaged or missing in the source is named, and the rest is brought', options, async (t) => {
  const damaged = await startDockerRegistry(t);
  const { images } = await fillRegistry(t, damaged.host);
  const blobOf = (digest: string) => {
    const hex = digest.slice(7);
    return join(damaged.dataDir, `docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`);
  };
  const manifest = await sendRequest(`${damaged.url}/v2/team/app/manifests/moved`, {
    headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
  });
  const [layer] = JSON.parse(manifest.body.toString()).layers;
  await writeFile(blobOf(layer.digest), 'x'.repeat(layer.size));
  await rm(blobOf(images.get('solo:docker') ?? ''));
  const data = await freshFolder(t);
  const result = await runBerth('import', '--from', damaged.dataDir, '--data', data);
  assert.equal(result.exitCode, 1);
  const lines = result.stdout
    .split('\n')
    .filter((line) => line.startsWith('not imported'))
    .sort();
  assert.equal(lines.length, 2, result.stdout);
  assert.match(
    lines[0] ?? '',
    /^not imported: solo:docker: the content of the manifest sha256:\w+ is missing$/,
  );
  assert.match(
    lines[1] ?? '',
    new RegExp(`^not imported: team/app:moved: ${layer.digest} is damaged in the source`),
  );
  const registry = await startRegistry(t, { dataDir: data });
  const whole = new Map([...images].filter(([name]) => name !== 'team/app:moved' && name !== 'solo:docker'));
  await checkImages(registry, { ...filled, images: whole });
});

test('sweeps without grace take nothing of what is being imported', options, async (t) => {
  const registry = await startRegistry(t, { args: ['--gc-interval', 'off'] });
  const sweeper = startProcess(t, process.execPath, [SWEEPER, registry.dataDir], { env: TEST_CACHE });
  await sweeper.waitForLine(/sweeping/);
  const result = await runBerth('import', '--from', source.url, '--data', registry.dataDir);
  assert.equal(result.exitCode, 0, result.stdout + result.stderr);
  assert.equal((await sweeper.end('SIGTERM')).code, 0, sweeper.output());
  await checkImages(registry, filled);
});

test('a source that is none, or cannot be reached, is told in one sentence', options, async (t) => {
  const data = await freshFolder(t);
  const none = await runBerth('import', '--from', await makeTempDir(t, 'none'), '--data', data);
  assert.equal(none.exitCode, 2);
  assert.match(none.stderr, /^berth: .* has no folder docker\/registry\/v2: give .*\n$/);
});

async function freshFolder(t: { after(fn: () => Promise<void>): void }): Promise<string> {
  return join(await makeTempDir(t, 'imported'), 'data');
}

/** skopeo verifies every digest of what it pulls. */
async function checkImages(
  registry: RegistryProcess,
  { images, skopeo, directory }: Pick<FilledRegistry, 'images' | 'skopeo' | 'directory'>,
): Promise<void> {
  for (const [name, digest] of images) {
    const [repository = '', tag = ''] = name.split(':');
    assert.equal(await manifestDigest(registry.url, repository, tag), digest, name);
    const target = `dir:${await makeTempDirIn(directory)}`;
    await skopeo(['copy', '--all', '--preserve-digests', `docker://${registry.host}/${name}`, target]);
  }
}

let copies = 0;
async function makeTempDirIn(directory: string): Promise<string> {
  copies += 1;
  return join(directory, `copy-${copies}`);
}

async function checkAbsent(registry: RegistryProcess, image: string): Promise<void> {
  const [repository, digest] = image.split('@');
  const answer = await sendRequest(`${registry.url}/v2/${repository}/manifests/${digest}`, {
    method: 'HEAD',
  });
  assert.equal(answer.status, 404, image);
}
