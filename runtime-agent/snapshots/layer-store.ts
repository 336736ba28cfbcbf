import type { Digest } from '../../oci/digest.ts';

/**
 * Keeps the layers of images. Every implementation passes test/contract/layer-store.ts.
 *
 * A layer is the files of one layer tar. It is known by its diff ID, never changes, and is kept once however many
 * images share it. It lives from `add` or `addNew` to `remove`. RootfsOverlays mounts root file systems over layers.
 *
 *     await layerStore.add(base, tarOfBase, signal);             // of the image, lowest first
 *     await layerStore.add(top, tarOfTop, signal);
 *     await overlays.mount('c1', [base, top]);                   // calls layerStore.folders([base, top])
 *     await layerStore.remove(top);                              // docker rmi; `base` may serve other images
 */
export interface LayerStore {
  readonly kind: 'erofs' | 'unpacked';

  has(diffId: Digest): Promise<boolean>;

  /**
   * Reads an uncompressed layer tar, checks that its digest is `diffId`, and keeps it. The layer is visible only when whole and durable;
   * concurrent calls for one diff ID give one layer. No entry of the tar can touch the host, whatever its path, link target or type.
   * Throws EngineError 'bad-request' when the tar is malformed or its digest differs, 'storage-full'.
   */
  add(diffId: Digest, tar: LayerContent, signal: AbortSignal): Promise<void>;

  /**
   * Like `add`, for a layer that is made here, and returns its diff ID (sha256); a layer that exists already takes no
   * more space. `claim` is awaited before the layer is visible, so that the caller can protect it from a sweep.
   */
  addNew(
    tar: AsyncIterable<Uint8Array>,
    claim: (diffId: Digest) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Digest>;

  /**
   * Returns the layer's uncompressed tar, byte for byte as `add` read it; a layer that is removed meanwhile is still
   * read to its end. Throws EngineError 'not-found' when it is not on this host, or was added by an agent that did not
   * keep its tar.
   */
  read(diffId: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;

  /** Bytes of the tar that `read` returns. Throws EngineError 'not-found' when the layer is not here. */
  tarSize(diffId: Digest): Promise<number>;

  /** Bytes of the layer's files, as docker counts them; 0 when it is not here. */
  contentSize(diffId: Digest): Promise<number>;

  /**
   * Returns a folder with the files of each layer, in the same order, as lower folders of overlays. Throws EngineError
   * 'not-found' when a layer is not on this host.
   */
  folders(diffIds: readonly Digest[]): Promise<readonly string[]>;

  /**
   * Removes a layer. The caller knows that no image and no root file system uses it; a mounted one continues to work.
   */
  remove(diffId: Digest): Promise<void>;

  /** Returns the layers of this host, from which a sweep removes those that no image uses. */
  list(): Promise<readonly Digest[]>;
}

/** The uncompressed tar of a layer, to be read once: by iteration, or by `writeInto`. */
export interface LayerContent extends AsyncIterable<Uint8Array> {
  /**
   * Has another program write it to the descriptor of an empty file, so that its bytes do not pass through this
   * process; calls `grown` while the file grows, and resolves when it is complete. Throws as the iteration does, errors
   * of writing, and the signal's reason; after any error nothing writes to the file. Absent if there is no such
   * program.
   */
  readonly writeInto?: (fd: number, grown: () => void, signal: AbortSignal) => Promise<void>;
}
