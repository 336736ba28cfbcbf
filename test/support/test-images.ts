import { join } from 'node:path';
import { makeBusyboxTree } from './busybox-tree.ts';
import { addDebianImage } from './debian-image.ts';
import { cachedImage } from './image-cache.ts';
import { addLayer, type Layer, type LayerCompression } from './layer.ts';
import { addJson, MEDIA_TYPE, tagManifest } from './oci-layout.ts';
import { pseudoRandomStream } from './pseudo-random.ts';
import { tarFile } from './tar-file.ts';
import { tarTree } from './tar-tree.ts';
import { writeTar } from './tar-writer.ts';
import { addImage, type TestImage, writeImage } from './test-image.ts';
import { addTreeImage } from './tree-image.ts';

/*
 * Every maker keeps what it made in `folder` (imageFolder() gives one), so a second call is cheap, and makes
 * the same bytes from the same Debian packages.
 */

/** One layer with busybox-static, by default gzip; runs `/bin/sh`. OCI media types. */
export function makeBusyboxImage(folder: string, compression: LayerCompression = 'gzip'): Promise<TestImage> {
  const name = compression === 'gzip' ? 'busybox' : `busybox-${compression}`;
  return cachedImage(folder, name, async (layout, workDir) =>
    addImage(layout, name, [await addBusyboxLayer(layout, workDir, compression)]),
  );
}

/** The busybox image with the media types of Docker's image manifest version 2, schema 2. */
export function makeDockerSchema2Image(folder: string): Promise<TestImage> {
  return cachedImage(folder, 'busybox-docker', async (layout, workDir) => {
    const layer = await addBusyboxLayer(layout, workDir, 'gzip');
    return addImage(layout, 'busybox-docker', [layer], { dockerMediaTypes: true });
  });
}

/** An index of busybox for amd64 and arm64 (both hold this machine's binary), which share a layer and have one each. */
export function makeMultiArchImage(folder: string): Promise<TestImage> {
  return cachedImage(folder, 'multi-arch', async (layout, workDir) => {
    const shared = await addBusyboxLayer(layout, workDir, 'gzip');
    const manifests = [];
    for (const architecture of ['amd64', 'arm64']) {
      const file = { name: 'etc/architecture', type: 'file', content: `${architecture}\n` } as const;
      const own = await addLayer(layout, writeTar([file]));
      const manifest = await writeImage(layout, [shared, own], { architecture });
      manifests.push({ ...manifest, platform: { architecture, os: 'linux' } });
    }
    const mediaType = MEDIA_TYPE.ociIndex;
    const index = await addJson(layout, mediaType, { schemaVersion: 2, mediaType, manifests });
    await tagManifest(layout, index, 'multi-arch');
    return { layout, refName: 'multi-arch', digest: index.digest, mediaType };
  });
}

/** Four layers with everything that unpackers get wrong and 10,000 files; see addTreeImage. Needs root. */
export function makeTreeImage(folder: string): Promise<TestImage> {
  return cachedImage(folder, 'tree', addTreeImage);
}

/** A small Debian with dpkg and bash in four layers; see addDebianImage. Needs root. */
export function makeDebianImage(folder: string): Promise<TestImage> {
  return cachedImage(folder, 'debian', addDebianImage);
}

/** busybox and one layer with a file /big of `size` bytes that do not compress; another seed, another file. */
export function makeBigImage(folder: string, size: number, seed = 'big'): Promise<TestImage> {
  const name = `big-${size}-${seed}`;
  return cachedImage(folder, name, async (layout, workDir) =>
    addImage(layout, name, [
      await addBusyboxLayer(layout, workDir, 'gzip'),
      await addLayer(layout, tarFile('big', size, pseudoRandomStream(size, seed)), 'gzip-stored'),
    ]),
  );
}

/** busybox, and above it a layer for each name, with a file of that name and `size` bytes that do not compress. */
export function makeStackedImage(folder: string, names: readonly string[], size: number): Promise<TestImage> {
  const name = `stacked-${size}-${names.join('-')}`;
  return cachedImage(folder, name, async (layout, workDir) => {
    const layers = [await addBusyboxLayer(layout, workDir, 'gzip')];
    for (const file of names) {
      layers.push(await addLayer(layout, tarFile(file, size, pseudoRandomStream(size, file)), 'gzip-stored'));
    }
    return addImage(layout, name, layers);
  });
}

async function addBusyboxLayer(
  layout: string,
  workDir: string,
  compression: LayerCompression,
): Promise<Layer> {
  const tree = join(workDir, 'busybox');
  await makeBusyboxTree(tree);
  return addLayer(layout, tarTree(tree, { ownedByRoot: true }), compression);
}
