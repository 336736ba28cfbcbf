import { closeSync } from 'node:fs';
import { type InRoot, loadInRoot } from '../../../lib/linux/files/in-root.ts';
import { closing } from '../../closing.ts';
import { EngineError } from '../../errors.ts';
import type { FoundPath, TreeTars } from '../../snapshots/diff/tree-tar.ts';
import { fillTree } from '../../trees/fill-tree.ts';
import { publishContainerEvent } from '../container-events.ts';
import type { ContainerContext } from '../context.ts';
import type { LiveContainer } from '../live-container.ts';
import { resolveUser } from '../plan/user.ts';
import { checkWritable } from './check-writable.ts';
import type { ContainerArchive, ExtractOptions, PathStat } from './container-archive.ts';
import { type ContainerView, openView } from './container-view.ts';
import { goMode } from './go-mode.ts';

/** Bytes of a container's passwd or group file that are read. */
const ACCOUNTS_LIMIT = 4 << 20;

/** ContainerArchive over the containers of this agent. */
export class AgentContainerArchive implements ContainerArchive {
  readonly #context: ContainerContext;
  readonly #trees: TreeTars;
  readonly #inRoot: InRoot = loadInRoot();

  constructor(context: ContainerContext, trees: TreeTars) {
    this.#context = context;
    this.#trees = trees;
  }

  async stat(ref: string, path: string, signal: AbortSignal): Promise<PathStat> {
    const live = this.#find(ref, path);
    const view = await this.#open(live, signal);
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
    const live = this.#find(ref, path);
    const view = await this.#open(live, signal);
    try {
      const found = await this.#lookUp(view, ref, path, signal, true);
      publishContainerEvent(this.#context.events, live.container, 'archive-path');
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
    const live = this.#find(ref, path);
    const view = await this.#open(live, signal);
    try {
      const found = await this.#lookUp(view, ref, path, signal);
      if (!found.leadsToFolder) {
        throw new EngineError('bad-request', 'extraction point is not a directory');
      }
      checkWritable(live.container, found.resolved ?? path);
      const { noOverwriteDirNonDir } = options;
      const owner = options.copyUidGid ? await this.#userOf(view, live, signal) : undefined;
      await fillTree(
        { root: view.root, folder: found.resolvedBytes, noOverwriteDirNonDir, ...(owner && { owner }) },
        tar,
        signal,
      );
      publishContainerEvent(this.#context.events, live.container, 'extract-to-dir');
    } finally {
      await view.close();
    }
  }

  #find(ref: string, path: string): LiveContainer {
    const live = this.#context.registry.find(ref);
    if (path === '') throw new EngineError('bad-request', 'bad parameter: "path" cannot be empty');
    if (path.includes('\0')) throw new EngineError('bad-request', 'a path holds no zero byte');
    return live;
  }

  async #open(live: LiveContainer, signal: AbortSignal): Promise<ContainerView> {
    signal.throwIfAborted();
    const view = await openView(this.#context, this.#inRoot, live);
    if (!signal.aborted) return view;
    await view.close();
    throw signal.reason;
  }

  /** Throws EngineError 'not-found', 'bad-request' for a path through a file; worded as docker words them. */
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
    if (parent === undefined) throw new Error('the folder of what is copied was not opened');
    const members = [{ source, target: shown, recursive: true }];
    return closing(this.#trees.read({ folder: parent, members }, signal), async () => {
      closeSync(parent);
      await view.close();
    });
  }

  async #userOf(
    view: ContainerView,
    live: LiveContainer,
    signal: AbortSignal,
  ): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
    const { config } = live.container;
    if (config.User === '') return undefined;
    const read = (path: string) => this.#trees.readText(view.root, path, ACCOUNTS_LIMIT, signal);
    const files = { passwd: await read('etc/passwd'), group: await read('etc/group') };
    const user = resolveUser(config.User, [], files);
    return { uid: user.uid, gid: user.gid };
  }
}

function statOf({ shown, size, mode, mtime, isLink, resolved }: FoundPath): PathStat {
  return { name: shown, size, mode: goMode({ mode }), mtime, linkTarget: isLink ? (resolved ?? '') : '' };
}
