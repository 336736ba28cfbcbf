import type { Digest } from '../../oci/digest.ts';

/** The mounted root file system of a container. */
export interface Rootfs {
  /** Absolute path of the mounted tree. */
  readonly path: string;
  /** Absolute path of the writable layer, which has the differences from the image, with overlay's whiteouts. */
  readonly upper: string;
}

/**
 * Keeps image layers and makes root file systems of them. Every implementation passes test/contract/snapshotter.ts.
 *
 * A layer is the files of one layer tar. It is known by its diff ID, never changes, and is kept once however many images share it.
 * A writable layer has the changes that one container, or one build step, makes to the layers below it; it is known by an ID that the
 * caller chooses. A root file system (rootfs) is an overlay mount of layers and one writable layer.
 *
 * Layers live from addLayer or addNewLayer to removeLayer. A writable layer lives from the first mountRootfs to removeRootfs; its mount
 * comes and goes, with the agent or the host too, and mountRootfs makes it again.
 *
 *     await snapshotter.addLayer(base, tarOfBase, signal);       // of the image, lowest first
 *     await snapshotter.addLayer(top, tarOfTop, signal);
 *     const { path } = await snapshotter.mountRootfs('c1', [base, top]);
 *     // ... a container runs in `path`; listUsedLayers() has `base` and `top`
 *     await snapshotter.unmountRootfs('c1');                     // it has stopped; its changes stay
 *     await snapshotter.mountRootfs('c1', [base, top]);          // it starts again, with its changes
 *     await snapshotter.removeRootfs('c1');                      // docker rm
 *     await snapshotter.removeLayer(top);                        // docker rmi; `base` may serve other images
 */
export interface Snapshotter {
  readonly kind: 'erofs' | 'unpacked';

  hasLayer(diffId: Digest): Promise<boolean>;

  /**
   * Reads an uncompressed layer tar, checks that its digest is `diffId`, and keeps it. The layer is visible only when whole and durable;
   * concurrent calls for one diff ID give one layer. No entry of the tar can touch the host, whatever its path, link target or type.
   * Throws EngineError 'bad-request' when the tar is malformed or its digest differs, 'storage-full'.
   */
  addLayer(diffId: Digest, tar: LayerContent, signal: AbortSignal): Promise<void>;

  /**
   * Does what addLayer does for a layer that is made here, and returns its diff ID (sha256); a layer that exists already takes no more
   * space. `claim` is awaited before the layer is visible, so that the caller can protect it from a sweep.
   */
  addNewLayer(
    tar: AsyncIterable<Uint8Array>,
    claim: (diffId: Digest) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Digest>;

  /**
   * Returns the layer's uncompressed tar, byte for byte as addLayer read it; a layer that is removed meanwhile is still read to its end.
   * Throws EngineError 'not-found' when it is not here, or was added by an agent that did not keep its tar.
   */
  readLayer(diffId: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;

  /** Bytes of the tar that readLayer returns. Throws EngineError 'not-found' when the layer is not here. */
  tarSize(diffId: Digest): Promise<number>;

  /** Bytes of the layer's files, as docker counts them; 0 when it is not here. */
  layerSize(diffId: Digest): Promise<number>;

  /** Removes a layer. The caller knows that no image and no root file system uses it. */
  removeLayer(diffId: Digest): Promise<void>;

  /** Returns the layers of this host, from which a sweep removes those that no image uses. */
  listLayers(): Promise<readonly Digest[]>;

  /** Returns the layers below the writable layers of this host, mounted or not; these must not be removed. */
  listUsedLayers(): Promise<ReadonlySet<Digest>>;

  /**
   * Mounts the layers (lowest first) below the writable layer `id`, which the first call makes. While it is mounted, returns the same
   * mount.
   */
  mountRootfs(id: string, diffIds: readonly Digest[]): Promise<Rootfs>;

  /** Unmounts it and keeps the writable layer; no error when it is not mounted. */
  unmountRootfs(id: string): Promise<void>;

  /** Removes the writable layer, mounted or not; no error when there is none. Its disk space is freed in the background. */
  removeRootfs(id: string): Promise<void>;

  /** Resolves when the disk space of all removed writable layers is freed, or freeing it has failed. */
  settle(): Promise<void>;

  /** Returns the path of the writable layer `id`, mounted or not; undefined when there is none. */
  findUpper(id: string): Promise<string | undefined>;

  /** Returns the IDs of all writable layers, from which recovery removes those that a crash left. */
  listRootfs(): Promise<readonly string[]>;
}

/** The uncompressed tar of a layer, to be read once: by iteration, or by `writeInto`. */
export interface LayerContent extends AsyncIterable<Uint8Array> {
  /**
   * Has another program write it to the descriptor of an empty file, so that its bytes do not pass through this one; calls `grown` while
   * the file grows, and resolves when it is whole. Throws as the iteration does, and errors of writing, and the signal's reason; after any
   * error nothing writes to the file. Absent where no program does that.
   */
  readonly writeInto?: (fd: number, grown: () => void, signal: AbortSignal) => Promise<void>;
}
