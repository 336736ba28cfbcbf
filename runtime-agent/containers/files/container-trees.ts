import type { UpperChange } from '../../snapshots/diff/tree-tar.ts';
import type { ContainerInfo } from '../container-info.ts';

/**
 * The changes of containers to their images, without mounts. Throws EngineError 'not-found' for a missing container.
 */
export interface ContainerTrees {
  /** `docker diff`, sorted by path. */
  changes(ref: string, signal: AbortSignal): Promise<readonly UpperChange[]>;

  /** `docker export`: the tar of all its files. It must be read to its end, or its iterator returned. */
  export(ref: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;

  /**
   * Passes the layer of its changes to `use`, while the container can neither start, end nor be removed; with `pause`
   * its processes are paused meanwhile, if it is running.
   */
  withLayer<T>(
    ref: string,
    options: { readonly pause: boolean },
    signal: AbortSignal,
    use: (container: ContainerInfo, tar: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<T>;

  /** Returns the bytes of the files that it has written, as docker counts them. */
  writtenSize(ref: string, signal: AbortSignal): Promise<number>;
}
