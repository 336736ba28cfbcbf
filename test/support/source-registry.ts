import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CleanupScope } from './cleanup.ts';
import { sendRequest } from './http-client.ts';
import { imageFolder } from './image-cache.ts';
import { manifestDigest } from './registry-digests.ts';
import { runCommand } from './run-command.ts';
import { type Skopeo, setUpSkopeo } from './skopeo.ts';
import { makeTempDir } from './temp-dir.ts';
import { makeBusyboxImage, makeMultiArchImage } from './test-images.ts';

/** The content of a registry to import. */
export interface FilledRegistry {
  /** `NAME:TAG` of every image, and the digest of its manifest or index. */
  readonly images: ReadonlyMap<string, string>;
  /** `team/app@DIGEST`, which was deleted. */
  readonly deleted: string;
  /** A manifest of `team/app` that lost its tag. */
  readonly untagged: string;
  readonly skopeo: Skopeo['skopeo'];
  readonly directory: string;
}

/**
 * Fills a registry as its users do: skopeo pushes images, an index, Docker's types and shared layers to several
 * repositories, oras attaches two artifacts, one tag is moved and one manifest is deleted.
 */
export async function fillRegistry(scope: CleanupScope, host: string): Promise<FilledRegistry> {
  const { skopeo, directory } = await setUpSkopeo(scope);
  const folder = await imageFolder(scope);
  const busybox = await makeBusyboxImage(folder);
  const multiArch = await makeMultiArchImage(folder);
  const push = async (image: typeof busybox, target: string) => {
    const source = `oci:${image.layout}:${image.refName}`;
    await skopeo(['copy', '--all', '--preserve-digests', source, `docker://${host}/${target}`]);
  };
  const small = async (target: string, text: string) => {
    const work = await makeTempDir(scope, 'oras');
    await writeFile(join(work, 'notes.txt'), text);
    await oras(work, 'push', '--plain-http', `${host}/${target}`, 'notes.txt');
    return manifestDigest(`http://${host}`, 'team/app', target.split(':')[1] ?? '');
  };
  await push(busybox, 'team/app:1');
  await push(multiArch, 'team/app:2');
  await push(multiArch, 'team/deep/er/app:latest');
  await copyBetween(skopeo, `${host}/team/app:1`, `${host}/solo:v1`);
  // Converted on the way: a layout cannot say Docker's types.
  await skopeo([
    'copy',
    '--format=v2s2',
    `oci:${busybox.layout}:${busybox.refName}`,
    `docker://${host}/solo:docker`,
  ]);

  const untagged = await small('team/app:moved', 'before');
  await small('team/app:moved', 'after');
  const gone = await small('team/app:gone', 'gone');
  const removed = await sendRequest(`http://${host}/v2/team/app/manifests/${gone}`, { method: 'DELETE' });
  if (removed.status !== 202) throw new Error(`DELETE answered ${removed.status}`);

  const work = await makeTempDir(scope, 'oras');
  await writeFile(join(work, 'sbom.json'), '{}');
  const subject = `${host}/team/app:1`;
  await oras(
    work,
    'attach',
    '--plain-http',
    subject,
    '--artifact-type=application/vnd.berth.sbom',
    'sbom.json',
  );
  const images = new Map<string, string>();
  for (const name of [
    'team/app:1',
    'team/app:2',
    'team/app:moved',
    'team/deep/er/app:latest',
    'solo:v1',
    'solo:docker',
  ]) {
    const [repository = '', tag = ''] = name.split(':');
    images.set(name, await manifestDigest(`http://${host}`, repository, tag));
  }
  return { images, deleted: `team/app@${gone}`, untagged, skopeo, directory };
}

/** Returns the artifact types of the referrers of an image, by the referrers API or its fallback tag. */
export async function attachedTo(scope: CleanupScope, image: string): Promise<readonly string[]> {
  const work = await makeTempDir(scope, 'oras');
  const { stdout } = await oras(work, 'discover', '--plain-http', '--format=json', image);
  const { manifests } = JSON.parse(stdout) as { manifests: { artifactType: string }[] };
  return manifests.map(({ artifactType }) => artifactType);
}

function copyBetween(skopeo: Skopeo['skopeo'], from: string, to: string) {
  return skopeo(['copy', '--all', '--preserve-digests', `docker://${from}`, `docker://${to}`]);
}

function oras(directory: string, ...args: readonly string[]) {
  return runCommand('oras', args, { cwd: directory, env: { HOME: directory } });
}
