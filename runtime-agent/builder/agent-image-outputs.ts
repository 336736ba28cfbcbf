import { randomBytes } from 'node:crypto';
import type { Digest } from '../../oci/digest.ts';
import { familiarReference, fullReference } from '../../oci/reference.ts';
import { type SavedImage, type SavedLayer, writeArchive } from '../images/archive/write-archive.ts';
import { compressImage } from '../images/compression/compress-image.ts';
import type { LayerCompressor } from '../images/compression/layer-compressor.ts';
import type { Images } from '../images/images.ts';
import type { PendingImages } from '../images/pending/pending-images.ts';
import type { TreeTars } from '../snapshots/diff/tree-tar.ts';
import type { RootfsOverlays } from '../snapshots/rootfs-overlays.ts';
import type { FileTree } from './context/file-tree.ts';
import { FolderTree } from './context/folder-tree.ts';
import type { ArchivedImages, ImageOutputs, LayerForms } from './image-outputs.ts';

export interface OutputsContext {
  readonly images: Images;
  readonly pendingImages: PendingImages;
  readonly compressor: LayerCompressor;
  readonly overlays: RootfsOverlays;
  readonly tars: TreeTars;
}

/** ImageOutputs of images that the caller protects from the sweep. */
export class AgentImageOutputs implements ImageOutputs {
  readonly #context: OutputsContext;

  constructor(context: OutputsContext) {
    this.#context = context;
  }

  async compress(id: Digest, forms: LayerForms, signal: AbortSignal): Promise<void> {
    await compressImage(this.#context, id, { ...forms, signal });
  }

  async *archive(
    { images, isIndex, names }: ArchivedImages,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const { compressor } = this.#context;
    const named = names.map((name) => ({
      full: fullReference(name),
      familiar: familiarReference(name),
      tag: name.tag ?? 'latest',
    }));
    const saved: SavedImage[] = [];
    for (const image of images) saved.push(await this.#saved(image, isIndex ? [] : named, signal));
    const read = ({ diffId, blob }: SavedLayer) => compressor.read(diffId, blob, signal);
    yield* writeArchive(
      saved,
      read,
      isIndex ? { platforms: images.map(({ platform }) => platform), names: named } : undefined,
    );
  }

  async #saved(
    { id, forms }: ArchivedImages['images'][number],
    names: SavedImage['names'],
    signal: AbortSignal,
  ): Promise<SavedImage> {
    const { images, pendingImages, compressor } = this.#context;
    const { diffIds } = await images.get(id);
    const blobs = await compressor.forms({ ...forms, diffIds, isRead: true, signal });
    const layers = diffIds.flatMap((diffId) => {
      const blob = blobs.get(diffId);
      return blob === undefined ? [] : [{ diffId, blob }];
    });
    return { id, config: await pendingImages.readConfig(id), layers, names };
  }

  async *filesTar(id: Digest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { path, release } = await this.#mount(id);
    try {
      yield* this.#context.tars.read({ folder: path }, signal);
    } finally {
      await release();
    }
  }

  async files(id: Digest): Promise<FileTree> {
    const { path, release } = await this.#mount(id);
    return new FolderTree(path, release);
  }

  async #mount(id: Digest): Promise<{ readonly path: string; release(): Promise<void> }> {
    const { images, overlays } = this.#context;
    const { diffIds } = await images.get(id);
    // An ID like a container's, so that recovery finds it after a crash.
    const rootfs = randomBytes(32).toString('hex');
    const { path } = await overlays.mount(rootfs, diffIds);
    return { path, release: () => overlays.remove(rootfs) };
  }
}
