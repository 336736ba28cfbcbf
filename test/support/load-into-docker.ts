import { join } from 'node:path';
import type { CleanupScope } from './cleanup.ts';
import type { Dockerd } from './dockerd.ts';
import { setUpSkopeo } from './skopeo.ts';
import type { TestImage } from './test-image.ts';

/** Puts a test image into a daemon under the name `reference`, without a registry, by `docker load`. */
export async function loadIntoDocker(
  scope: CleanupScope,
  { docker }: Pick<Dockerd, 'docker'>,
  image: TestImage,
  reference: string,
): Promise<void> {
  const { skopeo, directory } = await setUpSkopeo(scope);
  const archive = join(directory, 'image.tar');
  const source = `oci:${image.layout}:${image.refName}`;
  await skopeo(['copy', source, `docker-archive:${archive}:${reference}`]);
  await docker(['load', '--quiet', '--input', archive]);
}
