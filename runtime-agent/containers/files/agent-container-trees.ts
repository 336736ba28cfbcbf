import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync } from 'node:fs';
import { closing } from '../../closing.ts';
import { EngineError } from '../../errors.ts';
import type { TreeTars, UpperChange } from '../../snapshots/diff/tree-tar.ts';
import type { Rootfs } from '../../snapshots/snapshotter.ts';
import { publishContainerEvent } from '../container-events.ts';
import type { ContainerInfo } from '../container-info.ts';
import type { ContainerContext } from '../context.ts';
import { containerBase, type LiveContainer } from '../live-container.ts';
import type { ContainerTrees } from './container-trees.ts';

/** Places where the agent and the runtime mount in every container; they are left out of changes. */
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

/** ContainerTrees over the containers of this agent. */
export class AgentContainerTrees implements ContainerTrees {
  readonly #context: ContainerContext;
  readonly #trees: TreeTars;

  constructor(context: ContainerContext, trees: TreeTars) {
    this.#context = context;
    this.#trees = trees;
  }

  async changes(ref: string, signal: AbortSignal): Promise<readonly UpperChange[]> {
    return await this.#withUpper(this.#context.index.find(ref), signal, async (upper, base) => {
      return await this.#trees.changes({ upper, base, leftOut: MOUNT_PLACES }, signal);
    });
  }

  async export(ref: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const live = this.#context.index.find(ref);
    const folder = await live.mutex.run(async () => {
      this.#check(live, signal);
      return await this.#withRootfs(live, async ({ path }) =>
        openSync(path, constants.O_RDONLY | constants.O_DIRECTORY),
      );
    });
    publishContainerEvent(this.#context.events, live.container, 'export');
    return closing(this.#exportOf(live, folder, signal), async () => closeSync(folder));
  }

  async withLayer<T>(
    ref: string,
    { pause }: { readonly pause: boolean },
    signal: AbortSignal,
    use: (container: ContainerInfo, tar: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<T> {
    const live = this.#context.index.find(ref);
    return await this.#withUpper(live, signal, async (upper, base) => {
      const overlay = { base, leftOut: MOUNT_PLACES };
      const work = () => use(live.container, this.#trees.read({ folder: upper, overlay }, signal));
      return pause && live.container.state.status === 'running'
        ? await this.#paused(live, work)
        : await work();
    });
  }

  async writtenSize(ref: string, signal: AbortSignal): Promise<number> {
    const live = this.#context.index.find(ref);
    const upper = await this.#context.snapshotter.findUpper(live.id);
    return upper === undefined ? 0 : await this.#trees.size(upper, signal);
  }

  async *#exportOf(live: LiveContainer, folder: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    yield* this.#trees.read({ folder }, signal);
    // Otherwise a removal, which takes file by file away, would make the tar end as if it were whole.
    this.#check(live, signal);
  }

  async #withUpper<T>(
    live: LiveContainer,
    signal: AbortSignal,
    use: (upper: string, base: string) => Promise<T>,
  ): Promise<T> {
    const { snapshotter } = this.#context;
    return await live.mutex.run(async () => {
      this.#check(live, signal);
      const { diffIds } = await containerBase(this.#context, live.container);
      const id = `${BASE_TREE}${randomUUID()}`;
      const base = await snapshotter.mountRootfs(id, diffIds);
      try {
        return await this.#withRootfs(live, ({ upper }) => use(upper, base.path));
      } finally {
        await snapshotter.removeRootfs(id);
      }
    });
  }

  /** Runs work with the root file system mounted. The caller holds the container's mutex. */
  async #withRootfs<T>(live: LiveContainer, use: (rootfs: Rootfs) => Promise<T>): Promise<T> {
    const { snapshotter } = this.#context;
    const { diffIds } = await containerBase(this.#context, live.container);
    const rootfs = await snapshotter.mountRootfs(live.id, diffIds);
    try {
      return await use(rootfs);
    } finally {
      if (live.run === undefined) await snapshotter.unmountRootfs(live.id);
    }
  }

  async #paused<T>(live: LiveContainer, work: () => Promise<T>): Promise<T> {
    const { commands, events } = this.#context;
    try {
      await commands.pause(live.id);
    } catch (error) {
      if (live.isAlive) throw error;
      // It has just ended, and nothing changes any more.
      return await work();
    }
    publishContainerEvent(events, live.container, 'pause');
    try {
      return await work();
    } finally {
      await commands.resume(live.id).catch((error: unknown) => {
        if (live.isAlive) throw error;
      });
      publishContainerEvent(events, live.container, 'unpause');
    }
  }

  #check(live: LiveContainer, signal: AbortSignal): void {
    signal.throwIfAborted();
    this.#context.index.find(live.id);
    const { status } = live.container.state;
    if (status === 'removing' || status === 'dead') {
      throw new EngineError('conflict', `container ${live.container.name} is marked for removal`);
    }
  }
}
