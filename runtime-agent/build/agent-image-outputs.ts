import { randomBytes } from 'node:crypto';
import type { Digest } from '../../storage/oci/digest.ts';
import { familiarReference, fullReference, type ImageReference } from '../../storage/oci/image-reference.ts';
import { writeArchive } from '../images/archive/write-archive.ts';
import type { ImageDrafts } from '../images/drafts/image-drafts.ts';
import type { Images } from '../images/images.ts';
import type { TreeTars } from '../snapshots/diff/tree-tar.ts';
import type { Snapshotter } from '../snapshots/snapshotter.ts';
import type { FileTree } from './context/file-tree.ts';
import { FolderTree } from './context/folder-tree.ts';
import type { ImageOutputs } from './image-outputs.ts';

export interface OutputsContext {
  readonly images: Images;
  readonly drafts: Pick<ImageDrafts, 'readConfig'>;
  readonly snapshotter: Snapshotter;
  readonly tars: TreeTars;
}

/** ImageOutputs of images that are kept from the sweep by the caller. */
export class AgentImageOutputs implements ImageOutputs {
  readonly #context: OutputsContext;

  constructor(context: OutputsContext) {
    this.#context = context;
  }

  async *archive(
    id: Digest,
    names: readonly ImageReference[],
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const { images, drafts, snapshotter } = this.#context;
    const { diffIds } = await images.get(id);
    const layers = diffIds.map(async (diffId) => ({ diffId, size: await snapshotter.tarSize(diffId) }));
    const saved = {
      id,
      config: await drafts.readConfig(id),
      layers: await Promise.all(layers),
      names: names.map((name) => ({
        full: fullReference(name),
        familiar: familiarReference(name),
        tag: name.tag ?? 'latest',
      })),
    };
    yield* writeArchive([saved], (diffId) => snapshotter.readLayer(diffId, signal));
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
    const { images, snapshotter } = this.#context;
    const { diffIds } = await images.get(id);
    // As a container's, so that what a killed agent leaves is found.
    const rootfs = randomBytes(32).toString('hex');
    const { path } = await snapshotter.mountRootfs(rootfs, diffIds);
    return { path, release: () => snapshotter.removeRootfs(rootfs) };
  }
}
