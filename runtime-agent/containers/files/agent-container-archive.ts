import { type BigIntStats, closeSync, constants } from 'node:fs';
import { relative } from 'node:path/posix';
import { type InRoot, loadInRoot } from '../../../lib/linux/files/in-root.ts';
import { closing } from '../../closing.ts';
import { EngineError } from '../../errors.ts';
import type { FoundPath, TreeTars } from '../../snapshots/diff/tree-tar.ts';
import { fillTree } from '../../trees/fill-tree.ts';
import type { Container } from '../container.ts';
import type { ContainerIndex } from '../container-index.ts';
import type { ContainerInfo } from '../container-info.ts';
import { planTmpfs } from '../plan/mount-points.ts';
import { MAX_ACCOUNTS_SIZE, resolveUser } from '../plan/user.ts';
import type { ContainerArchive, ExtractOptions, PathStat } from './container-archive.ts';
import { type ContainerView, openView, type ViewDeps } from './container-view.ts';

export interface ArchiveDeps extends ViewDeps {
  readonly index: ContainerIndex;
}

/** ContainerArchive over the containers of this agent. */
export class AgentContainerArchive implements ContainerArchive {
  readonly #deps: ArchiveDeps;
  readonly #trees: TreeTars;
  readonly #inRoot: InRoot = loadInRoot();

  constructor(deps: ArchiveDeps, trees: TreeTars) {
    this.#deps = deps;
    this.#trees = trees;
  }

  async stat(ref: string, path: string, signal: AbortSignal): Promise<PathStat> {
    const container = this.#find(ref, path);
    const view = await this.#open(container, signal);
    try {
      return statOf(await this.#lookUp(view, ref, path, signal));
    } finally {
      await view.close();
    }
  }

  async read(
    ref: string,
    path: string,
    signal: AbortSignal,
  ): Promise<{ readonly stat: PathStat; readonly tar: AsyncIterable<Uint8Array> }> {
    const container = this.#find(ref, path);
    const view = await this.#open(container, signal);
    try {
      const found = await this.#lookUp(view, ref, path, signal, true);
      container.publish('archive-path');
      return { stat: statOf(found), tar: this.#tarOf(view, found, signal) };
    } catch (error) {
      await view.close();
      throw error;
    }
  }

  async extract(
    ref: string,
    path: string,
    tar: AsyncIterable<Uint8Array>,
    options: ExtractOptions,
    signal: AbortSignal,
  ): Promise<void> {
    const container = this.#find(ref, path);
    const view = await this.#open(container, signal);
    try {
      const found = await this.#lookUp(view, ref, path, signal);
      if (!found.leadsToFolder) {
        throw new EngineError('bad-request', 'extraction point is not a directory');
      }
      checkWritable(container.info, found.resolved ?? path);
      const { noOverwriteDirNonDir } = options;
      const owner = options.copyUidGid ? await this.#userOf(view, container, signal) : undefined;
      await fillTree(
        { root: view.root, folder: found.resolvedBytes, noOverwriteDirNonDir, ...(owner && { owner }) },
        tar,
        signal,
      );
      container.publish('extract-to-dir');
    } finally {
      await view.close();
    }
  }

  #find(ref: string, path: string): Container {
    const container = this.#deps.index.find(ref);
    if (path === '') throw new EngineError('bad-request', 'bad parameter: "path" cannot be empty');
    if (path.includes('\0')) throw new EngineError('bad-request', 'a path cannot contain a zero byte');
    return container;
  }

  async #open(container: Container, signal: AbortSignal): Promise<ContainerView> {
    signal.throwIfAborted();
    const view = await openView(this.#deps, this.#inRoot, container);
    if (!signal.aborted) return view;
    await view.close();
    throw signal.reason;
  }

  /** Throws EngineError 'not-found', 'bad-request' for a path through a file, with docker's messages. */
  async #lookUp(
    view: ContainerView,
    ref: string,
    path: string,
    signal: AbortSignal,
    opensParent = false,
  ): Promise<FoundPath> {
    const found = await this.#trees.lookUp({ root: view.root, path, opensParent }, signal).catch((cause) => {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOTDIR') throw cause;
      throw new EngineError('bad-request', `lstat ${path.slice(0, 1000)}: not a directory`, { cause });
    });
    if (found !== undefined) return found;
    throw new EngineError('not-found', `Could not find the file ${path.slice(0, 1000)} in container ${ref}`);
  }

  #tarOf(view: ContainerView, found: FoundPath, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const { name: source, shown, parent } = found;
    if (parent === undefined) throw new Error('the folder of the copied files was not opened');
    const members = [{ source, target: shown, recursive: true }];
    return closing(this.#trees.read({ folder: parent, members }, signal), async () => {
      closeSync(parent);
      await view.close();
    });
  }

  async #userOf(
    view: ContainerView,
    container: Container,
    signal: AbortSignal,
  ): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
    const { config } = container.info;
    if (config.User === '') return undefined;
    const read = (path: string) => this.#trees.readText(view.root, path, MAX_ACCOUNTS_SIZE, signal);
    const files = { passwd: await read('etc/passwd'), group: await read('etc/group') };
    const user = resolveUser(config.User, [], files);
    return { uid: user.uid, gid: user.gid };
  }
}

function statOf({ shown, size, mode, mtime, isLink, resolved }: FoundPath): PathStat {
  return { name: shown, size, mode: goMode({ mode }), mtime, linkTarget: isLink ? (resolved ?? '') : '' };
}

/**
 * Throws EngineError 'bad-request', with dockerd's message, if a path of a container is read-only: in a read-only root file
 * system or mount. The links of `path` have been followed.
 */
function checkWritable({ mounts, hostConfig }: ContainerInfo, path: string): void {
  const within = (destination: string) => {
    const rest = relative(destination, path);
    return rest !== '..' && !rest.startsWith('../');
  };
  // The innermost mount counts.
  const [point] = mounts
    .filter(({ destination }) => within(destination))
    .sort((a, b) => b.destination.length - a.destination.length);
  if (point !== undefined) {
    if (point.writable) return;
    throw new EngineError('bad-request', 'mounted volume is marked read-only');
  }
  const memory = [
    ...Object.keys(hostConfig.Tmpfs),
    ...planTmpfs(hostConfig.Mounts).map(({ destination }) => destination),
  ];
  if (!hostConfig.ReadonlyRootfs || memory.some(within)) return;
  throw new EngineError('bad-request', 'container rootfs is marked read-only');
}

/** Bits of Go's io/fs.FileMode. */
const GO = {
  directory: 2 ** 31,
  symlink: 2 ** 27,
  device: 2 ** 26,
  fifo: 2 ** 25,
  socket: 2 ** 24,
  setuid: 2 ** 23,
  setgid: 2 ** 22,
  charDevice: 2 ** 21,
  sticky: 2 ** 20,
} as const;

const KINDS: ReadonlyMap<number, number> = new Map([
  [constants.S_IFDIR, GO.directory],
  [constants.S_IFLNK, GO.symlink],
  [constants.S_IFBLK, GO.device],
  [constants.S_IFCHR, GO.device + GO.charDevice],
  [constants.S_IFIFO, GO.fifo],
  [constants.S_IFSOCK, GO.socket],
]);

/** Returns a file's mode as Go's FileMode, which the Engine API sends. */
function goMode(stat: Pick<BigIntStats, 'mode'>): number {
  const mode = Number(stat.mode);
  return (
    (mode & 0o777) +
    (KINDS.get(mode & constants.S_IFMT) ?? 0) +
    ((mode & 0o4000) === 0 ? 0 : GO.setuid) +
    ((mode & 0o2000) === 0 ? 0 : GO.setgid) +
    ((mode & 0o1000) === 0 ? 0 : GO.sticky)
  );
}
