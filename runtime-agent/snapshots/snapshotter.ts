import type { Digest } from '../../oci/digest.ts';

/** An overlay mount that a container has as its root. */
export interface Rootfs {
  /** Absolute path of the mounted tree. */
  readonly path: string;
  /** Absolute path of the writable layer: what differs from the image, with overlay's whiteouts. */
  readonly upper: string;
}

/**
 * Keeps image layers by diff ID, each once however many images share it, and makes root file systems of them.
 * Every implementation passes test/contract/snapshotter.ts.
 */
export interface Snapshotter {
  readonly kind: 'erofs' | 'unpacked';

  hasLayer(diffId: Digest): Promise<boolean>;

  /**
   * Takes an uncompressed layer tar, checks that it has `diffId`, and keeps it. Visible only when
   * whole and durable; two calls for one diff ID at once end with one layer. No entry of the tar can touch
   * the host, whatever its path, link target or type. Throws EngineError 'bad-request' when the tar is
   * malformed or its digest differs, 'storage-full'.
   */
  addLayer(diffId: Digest, tar: LayerContent, signal: AbortSignal): Promise<void>;

  /**
   * As addLayer, for a layer that is made here: answers its diff ID (sha256), and takes no more room when such a layer is
   * there already. `claim` is awaited before the layer can be seen, so that the caller can keep it from a sweep.
   */
  addNewLayer(
    tar: AsyncIterable<Uint8Array>,
    claim: (diffId: Digest) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Digest>;

  /**
   * The layer's uncompressed tar, byte for byte as addLayer took it; a layer that is removed meanwhile is still read to its end.
   * Throws EngineError 'not-found' when it is not here, or was put here by an agent that did not keep its tar.
   */
  readLayer(diffId: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;

  /** Bytes of what readLayer gives. Throws EngineError 'not-found' when the layer is not here. */
  tarSize(diffId: Digest): Promise<number>;

  /** Bytes of the layer's files, as docker counts them; 0 when it is not here. */
  layerSize(diffId: Digest): Promise<number>;

  /** Drops a layer. The caller knows that no image and no root file system uses it. */
  removeLayer(diffId: Digest): Promise<void>;

  /** The layers that are here, to find those that no image uses. */
  listLayers(): Promise<readonly Digest[]>;

  /** The layers that a writable layer of this host stands on, mounted or not: these are not to be removed. */
  listUsedLayers(): Promise<ReadonlySet<Digest>>;

  /**
   * Mounts the layers (lowest first) under a writable layer of this `id`, which is made at the first call and
   * kept until removeRootfs. Calling it while mounted answers the same mount.
   */
  mountRootfs(id: string, diffIds: readonly Digest[]): Promise<Rootfs>;

  /** Unmounts, keeps the writable layer; no error when it is not mounted. */
  unmountRootfs(id: string): Promise<void>;

  /** Takes the writable layer away, mounted or not; no error when there is none. Its room on the disk is freed a little later. */
  removeRootfs(id: string): Promise<void>;

  /** Resolves when all that removeRootfs was asked for is freed, or could not be. */
  settle(): Promise<void>;

  /** Where the writable layer of this id lies, mounted or not; undefined when it has none. */
  findUpper(id: string): Promise<string | undefined>;

  /** Ids that have a writable layer, to find what a crash left over. */
  listRootfs(): Promise<readonly string[]>;
}

/** The uncompressed tar of a layer, to be taken once, in one of two ways. */
export interface LayerContent extends AsyncIterable<Uint8Array> {
  /**
   * Has it written into the descriptor of an empty file by another program, so that its bytes do not pass through this one:
   * calls `grown` as it comes, and resolves when all of it is there. Throws as the iteration does, what writing to the file
   * fails with, and the signal's reason; whatever it throws, nobody writes to the file then. Absent where no program does that.
   */
  readonly writeInto?: (fd: number, grown: () => void, signal: AbortSignal) => Promise<void>;
}
