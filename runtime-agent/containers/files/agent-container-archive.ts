import { type BigIntStats, closeSync, constants, fstatSync } from 'node:fs';
import { EngineError } from '../../errors.ts';
import { type InRoot, loadInRoot, O_PATH, readFileAt } from '../../linux/in-root.ts';
import { statAt } from '../../snapshots/diff/tree-files.ts';
import type { TreeMember, TreeTars } from '../../snapshots/diff/tree-tar.ts';
import type { ContainerContext } from '../lifecycle/context.ts';
import type { LiveContainer } from '../lifecycle/live-container.ts';
import { publishContainerEvent } from '../lifecycle/publish.ts';
import { resolveUser } from '../plan/user.ts';
import { checkWritable } from './check-writable.ts';
import type { ContainerArchive, ExtractOptions, PathStat } from './container-archive.ts';
import { type ContainerPath, parseContainerPath } from './container-path.ts';
import { type ContainerView, openView } from './container-view.ts';
import { evaluateLinks } from './evaluate-links.ts';
import { fillTree } from './fill-tree.ts';
import { goMode } from './go-mode.ts';

/** Bytes of a container's passwd or group file that are read. */
const ACCOUNTS_LIMIT = 4 << 20;
/** What a path leads through is not there, is no folder, or is a loop of links. */
const ABSENT: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

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
      return this.#lookUp(view, ref, path, (found) => this.#statOf(view, found));
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
      const [stat, folder, member] = this.#lookUp(view, ref, path, (found) => [
        this.#statOf(view, found),
        this.#inRoot.open(view.root, found.path.parent, constants.O_RDONLY | constants.O_DIRECTORY),
        memberOf(found.path),
      ]);
      publishContainerEvent(this.#context.events, live.container, 'archive-path');
      return { stat, tar: this.#tarOf(view, folder, member, signal) };
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
      const folder = this.#lookUp(view, ref, path, ({ path: { parent, name } }) => {
        const target = evaluateLinks(this.#inRoot, view.root, name === '' ? parent : `${parent}/${name}`);
        const fd = this.#inRoot.open(view.root, target ?? parent, O_PATH);
        try {
          if (fstatSync(fd).isDirectory()) return target ?? parent;
        } finally {
          closeSync(fd);
        }
        throw new EngineError('bad-request', 'extraction point is not a directory');
      });
      checkWritable(live.container, Buffer.from(folder, 'latin1').toString('utf8'));
      const { noOverwriteDirNonDir } = options;
      const owner = options.copyUidGid ? this.#userOf(view, live) : undefined;
      await fillTree({ root: view.root, folder, noOverwriteDirNonDir, ...(owner && { owner }) }, tar, signal);
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

  /** Finds what a path names and hands it to `use`, whose failures for want of a file are told as docker does. */
  #lookUp<T>(view: ContainerView, ref: string, text: string, use: (found: Found) => T): T {
    try {
      const path = parseContainerPath(text);
      const folder = this.#inRoot.open(view.root, path.parent, O_PATH | constants.O_DIRECTORY);
      try {
        const stat = path.name === '' ? fstatSync(folder, { bigint: true }) : statAt(folder, path.name);
        if (stat !== undefined) return use({ path, stat });
      } finally {
        closeSync(folder);
      }
    } catch (error) {
      if (error instanceof EngineError || !ABSENT.has((error as NodeJS.ErrnoException).code)) throw error;
    }
    throw new EngineError('not-found', `Could not find the file ${text.slice(0, 1000)} in container ${ref}`);
  }

  #statOf(view: ContainerView, { path, stat }: Found): PathStat {
    const target = stat.isSymbolicLink()
      ? evaluateLinks(this.#inRoot, view.root, `${path.parent}/${path.name}`)
      : undefined;
    return {
      name: utf8(path.shown),
      size: Number(stat.size),
      mode: goMode(stat),
      mtime: stat.mtimeNs,
      linkTarget: target === undefined ? '' : utf8(target),
    };
  }

  async *#tarOf(
    view: ContainerView,
    folder: number,
    member: TreeMember,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#trees.read({ folder, members: [member] }, signal);
    } finally {
      closeSync(folder);
      await view.close();
    }
  }

  #userOf(
    view: ContainerView,
    live: LiveContainer,
  ): { readonly uid: number; readonly gid: number } | undefined {
    const { config } = live.container;
    if (config.User === '') return undefined;
    const read = (path: string) =>
      readFileAt(this.#inRoot, view.root, path, ACCOUNTS_LIMIT)?.toString('utf8') ?? '';
    const user = resolveUser(config.User, [], { passwd: read('etc/passwd'), group: read('etc/group') });
    return { uid: user.uid, gid: user.gid };
  }
}

interface Found {
  readonly path: ContainerPath;
  readonly stat: BigIntStats;
}

function memberOf({ name, shown }: ContainerPath): TreeMember {
  return { source: utf8(name), target: shown === '/' ? '' : utf8(shown), recursive: true };
}

function utf8(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
