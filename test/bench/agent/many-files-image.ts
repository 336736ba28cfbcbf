import { Readable } from 'node:stream';
import { makeBusyboxTree } from '../../support/busybox-tree.ts';
import { cachedImage } from '../../support/image-cache.ts';
import { addLayer, type Layer } from '../../support/layer.ts';
import { tarTree } from '../../support/tar-tree.ts';
import { TAR_END, tarHeader, tarPadding } from '../../support/tar-writer.ts';
import { addImage, type TestImage } from '../../support/test-image.ts';

/** What each of an image's layers above busybox holds. */
export interface FileLayer {
  readonly files: number;
  /** Bytes of each file. */
  readonly size: number;
}

const FILES_PER_FOLDER = 200;

/** busybox, and above it layers with many files whose bytes compress to about a quarter, as programs do. */
export function makeManyFilesImage(
  folder: string,
  name: string,
  layers: readonly FileLayer[],
): Promise<TestImage> {
  return cachedImage(folder, name, async (layout, workDir) => {
    const tree = `${workDir}/busybox`;
    await makeBusyboxTree(tree);
    const made: Layer[] = [await addLayer(layout, tarTree(tree, { ownedByRoot: true }))];
    for (const [index, layer] of layers.entries()) {
      const tar = Readable.from(fileTar(`layer-${index}`, layer, index), { objectMode: false });
      made.push(await addLayer(layout, tar));
    }
    return addImage(layout, name, made);
  });
}

function* fileTar(root: string, { files, size }: FileLayer, seed: number): Generator<Buffer> {
  yield tarHeader({ name: `${root}/`, type: 'directory' }, 0);
  let random = 12345 + seed;
  for (let file = 0; file < files; file += 1) {
    const folder = `${root}/folder-${Math.floor(file / FILES_PER_FOLDER)}`;
    if (file % FILES_PER_FOLDER === 0) yield tarHeader({ name: `${folder}/`, type: 'directory' }, 0);
    const content = Buffer.alloc(size);
    // A quarter of each 64 bytes is noise, the rest is the same everywhere.
    for (let at = 0; at + 4 <= size; at += 4) {
      random = (Math.imul(random, 1664525) + 1013904223) | 0;
      content.writeInt32LE(at % 64 < 16 ? random : 0x20656874, at);
    }
    yield tarHeader({ name: `${folder}/file-${file}`, type: 'file' }, size);
    yield content;
    yield tarPadding(size);
  }
  yield TAR_END;
}
