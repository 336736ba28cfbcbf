import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync } from 'node:fs';
import { closing } from '../../closing.ts';
import type { Images } from '../../images/images.ts';
import type { TreeTars, UpperChange } from '../../snapshots/diff/tree-tar.ts';
import type { Rootfs, RootfsOverlays } from '../../snapshots/rootfs-overlays.ts';
import { type Container, containerBase } from '../container.ts';
import type { ContainerIndex } from '../container-index.ts';
import type { ContainerInfo } from '../container-info.ts';
import type { ContainerTrees } from './container-trees.ts';

/** Mount points that every container has; they are excluded from changes. */
const MOUNT_PLACES: readonly string[] = [
  '.dockerenv',
  'proc',
  'sys',
  'dev',
  'dev/pts',
  'dev/shm',
  'dev/mqueue',
  'dev/console',
  'etc',
  'etc/hosts',
  'etc/hostname',
  'etc/resolv.conf',
  'sbin',
  'sbin/docker-init',
];
/** Prefix of mounts of a bare image, which exist while changes are computed. */
export const BASE_TREE = 'base-';

export interface TreesDeps {
  readonly images: Images;
  readonly overlays: RootfsOverlays;
  readonly index: ContainerIndex;
}

/** ContainerTrees over the containers of this agent. */
export class AgentContainerTrees implements ContainerTrees {
  readonly #deps: TreesDeps;
  readonly #trees: TreeTars;

  constructor(deps: TreesDeps, trees: TreeTars) {
    this.#deps = deps;
    this.#trees = trees;
  }

  async changes(ref: string, signal: AbortSignal): Promise<readonly UpperChange[]> {
    return await this.#withUpper(this.#deps.index.find(ref), signal, async (upper, base) => {
      return await this.#trees.changes({ upper, base, leftOut: MOUNT_PLACES }, signal);
    });
  }

  async export(ref: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const container = this.#deps.index.find(ref);
    const folder = await container.lock(async () => {
      this.#check(container, signal);
      return await this.#withRootfs(container, async ({ path }) =>
        openSync(path, constants.O_RDONLY | constants.O_DIRECTORY),
      );
    });
    container.publish('export');
    return closing(this.#exportOf(container, folder, signal), async () => closeSync(folder));
  }

  async withLayer<T>(
    ref: string,
    { pause }: { readonly pause: boolean },
    signal: AbortSignal,
    use: (info: ContainerInfo, tar: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<T> {
    const container = this.#deps.index.find(ref);
    return await this.#withUpper(container, signal, async (upper, base) => {
      const overlay = { base, leftOut: MOUNT_PLACES };
      const work = () => use(container.info, this.#trees.read({ folder: upper, overlay }, signal));
      return pause && container.info.state.status === 'running'
        ? await this.#paused(container, work)
        : await work();
    });
  }

  async writtenSize(ref: string, signal: AbortSignal): Promise<number> {
    const container = this.#deps.index.find(ref);
    const upper = await this.#deps.overlays.findUpper(container.id);
    return upper === undefined ? 0 : await this.#trees.size(upper, signal);
  }

  async *#exportOf(container: Container, folder: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    yield* this.#trees.read({ folder }, signal);
    // Otherwise a concurrent removal, file by file, would let the tar end as if it were complete.
    this.#check(container, signal);
  }

  async #withUpper<T>(
    container: Container,
    signal: AbortSignal,
    use: (upper: string, base: string) => Promise<T>,
  ): Promise<T> {
    const { images, overlays } = this.#deps;
    return await container.lock(async () => {
      this.#check(container, signal);
      const { diffIds } = await containerBase(images, container.info);
      const id = `${BASE_TREE}${randomUUID()}`;
      const base = await overlays.mount(id, diffIds);
      try {
        return await this.#withRootfs(container, ({ upper }) => use(upper, base.path));
      } finally {
        await overlays.remove(id);
      }
    });
  }

  /** Runs work with the root file system mounted. The caller holds the container's lock. */
  async #withRootfs<T>(container: Container, use: (rootfs: Rootfs) => Promise<T>): Promise<T> {
    const { images, overlays } = this.#deps;
    const { diffIds } = await containerBase(images, container.info);
    const rootfs = await overlays.mount(container.id, diffIds);
    try {
      return await use(rootfs);
    } finally {
      if (container.run === undefined) await overlays.unmount(container.id);
    }
  }

  async #paused<T>(container: Container, work: () => Promise<T>): Promise<T> {
    const { id, commands } = container;
    try {
      await commands.pause(id);
    } catch (error) {
      if (container.isAlive) throw error;
      // It has just ended, and nothing changes any more.
      return await work();
    }
    container.publish('pause');
    try {
      return await work();
    } finally {
      await commands.resume(id).catch((error: unknown) => {
        if (container.isAlive) throw error;
      });
      container.publish('unpause');
    }
  }

  #check(container: Container, signal: AbortSignal): void {
    signal.throwIfAborted();
    container.checkUsable();
  }
}
