import { closeSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { RequestThread } from '../../threads/request-thread.ts';
import { openInRootLater } from '../files/in-root.ts';
import type { Libc } from '../libc.ts';
import { SystemCallError } from '../mount-library.ts';
import { type HeldPath, type HeldPropagation, holdTree } from './held-path.ts';
import { attachMounts, type MountEntry, type MountRequest, mountFlags, parseMountInfo } from './mount.ts';

interface Asked {
  readonly id: number;
  /** Descriptor of the host's mount namespace; undefined when the process is in it. */
  readonly namespace: number | undefined;
}

export type HostMountsRequest = Asked &
  (
    | { readonly kind: 'open'; readonly path: string }
    | { readonly kind: 'clone'; readonly path: string; readonly recursive: boolean }
    | { readonly kind: 'mounts' }
    | {
        readonly kind: 'mount';
        readonly source: string;
        readonly type: string;
        readonly flags: number;
        readonly data: string | null;
      }
  );

export interface HostMountsReport {
  readonly id: number;
  readonly fd?: number;
  readonly text?: string;
  readonly failure?: { readonly message: string; readonly code?: string; readonly errno?: number };
}

type MountsThread = RequestThread<HostMountsRequest, HostMountsReport>;
type Ask<R = HostMountsRequest> = R extends HostMountsRequest ? Omit<R, 'id' | 'namespace'> : never;

/** Nothing there, or a loop of links. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/**
 * Accesses files of the host through its own mount namespace. Mounts made on the host after the agent's start appear in
 * the agent's namespace only if the host shares its mounts. So a thread in the host's namespace clones mounts, and the
 * agent attaches the clones where the runtime finds them.
 */
export class HostMounts {
  readonly #libc: Libc;
  readonly #namespace: number | undefined;
  readonly #thread = newThread('that opens files of the host');
  #root: Promise<number> | undefined;

  /** `namespace` is a descriptor that stays open; undefined when the agent has no mount namespace of its own. */
  constructor(libc: Libc, namespace: number | undefined) {
    this.#libc = libc;
    this.#namespace = namespace;
  }

  /**
   * Returns an O_PATH descriptor of a file or folder, which the caller closes; undefined when it does not exist. Links
   * resolve in the thread pool, because the path may be on a file server that hangs.
   */
  async open(path: string): Promise<number | undefined> {
    const root = await this.#openRoot();
    const found = await openInRootLater(this.#libc, `/proc/self/fd/${root}`, path).catch(() => undefined);
    if (found !== undefined) return found;
    // Only open(2) follows links of /proc to another root.
    const { fd, failure } = await this.#ask({ kind: 'open', path });
    if (failure?.code !== undefined && ABSENT.has(failure.code)) return undefined;
    if (fd === undefined) throw new Error(failure?.message);
    return fd;
  }

  /** Makes a folder and its missing parents; an existing file stays. */
  async ensureFolder(path: string): Promise<void> {
    const missing: string[] = [];
    let place = path;
    let fd = await this.open(place);
    while (fd === undefined && place !== '/') {
      missing.unshift(basename(place));
      place = dirname(place);
      fd = await this.open(place);
    }
    for (const name of missing) {
      if (fd === undefined) break;
      const parent = fd;
      try {
        await mkdir(`/proc/self/fd/${parent}/${name}`, { mode: 0o755 }).catch(unlessThere);
        place = place === '/' ? `/${name}` : `${place}/${name}`;
        fd = await this.open(place);
      } finally {
        closeSync(parent);
      }
    }
    if (fd === undefined) throw new Error(`${place} is a dangling link`);
    closeSync(fd);
  }

  /** Returns the host's mount that contains a path. */
  async mountOf(path: string): Promise<MountEntry | undefined> {
    const fd = await this.open(path);
    if (fd === undefined) return undefined;
    try {
      const id = /^mnt_id:\s*(\d+)$/m.exec(await readFile(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
      const { text, failure } = await this.#ask({ kind: 'mounts' });
      if (text === undefined) throw new Error(failure?.message);
      return parseMountInfo(text).find((entry) => entry.id === Number(id));
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Mounts `path` at a new place in `folder`; with `recursive` also everything mounted below it. Returns undefined when
   * the path does not exist.
   */
  async hold(
    path: string,
    recursive: boolean,
    propagation: HeldPropagation,
    folder: string,
  ): Promise<HeldPath | undefined> {
    const named = await this.open(path);
    if (named === undefined) return undefined;
    closeSync(named);
    const { fd, failure } = await this.#ask({ kind: 'clone', path, recursive });
    if (failure?.code !== undefined && ABSENT.has(failure.code)) return undefined;
    if (fd === undefined) throw new Error(failure?.message);
    try {
      return await holdTree(fd, propagation, folder);
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Mounts a new file system on `target` in the agent's namespace; `source` and paths in `data` are the host's. Runs in
   * its own thread, because a server may hang. Throws SystemCallError.
   */
  async mount({ source, target, type, flags, data }: MountRequest): Promise<void> {
    const thread = newThread('that mounts a file system');
    try {
      const asked = { kind: 'mount', source, type, flags: mountFlags(flags), data: data ?? null } as const;
      const { fd, failure } = await this.#ask(asked, thread);
      const what = `cannot mount ${type} on ${target}`;
      if (failure?.errno !== undefined) throw new SystemCallError(what, failure.errno);
      if (fd === undefined) throw new Error(`${what}: ${failure?.message}`);
      try {
        await attachMounts(fd, target);
      } finally {
        closeSync(fd);
      }
    } finally {
      await thread.close();
    }
  }

  async close(): Promise<void> {
    await this.#thread.close();
    const root = await this.#root?.catch(() => undefined);
    this.#root = undefined;
    if (root !== undefined) closeSync(root);
  }

  #openRoot(): Promise<number> {
    this.#root ??= this.#ask({ kind: 'open', path: '/' }).then(({ fd, failure }) => {
      if (fd !== undefined) return fd;
      this.#root = undefined;
      throw new Error(failure?.message);
    });
    return this.#root;
  }

  #ask(ask: Ask, thread = this.#thread): Promise<HostMountsReport> {
    return thread.ask({ ...ask, id: thread.newId(), namespace: this.#namespace });
  }
}

function newThread(purpose: string): MountsThread {
  return new RequestThread(new URL('./host-mounts-worker.ts', import.meta.url), {
    purpose,
    handsOverDescriptors: true,
  });
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
