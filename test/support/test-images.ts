import { join } from 'node:path';
import { makeBusyboxTree } from './busybox-tree.ts';
import { cachedImage } from './image-cache.ts';
import { addLayer } from './layer.ts';
import { tarTree } from './tar-tree.ts';
import { addImage, type TestImage } from './test-image.ts';

/** One gzip layer with busybox-static; runs `/bin/sh`. OCI media types. */
export function makeBusyboxImage(folder: string): Promise<TestImage> {
  return cachedImage(folder, 'busybox', async (layout, workDir) => {
    const tree = join(workDir, 'tree');
    await makeBusyboxTree(tree);
    const layer = await addLayer(layout, tarTree(tree, { ownedByRoot: true }));
    return addImage(layout, 'busybox', [layer]);
  });
}
