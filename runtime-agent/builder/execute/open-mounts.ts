import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync, rmdirSync, unlinkSync } from 'node:fs';
import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openInRoot } from '../../../lib/linux/files/in-root.ts';
import type { Libc } from '../../../lib/linux/libc.ts';
import { holdPath } from '../../../lib/linux/mount/held-path.ts';
import { checkProcMountsIn } from '../../containers/run/check-mounts.ts';
import type { OciMount } from '../../oci-runner/bundle.ts';
import { openFolderAt, pathAt, statAt } from '../../snapshots/diff/tree-files.ts';
import type { TreeTars } from '../../snapshots/diff/tree-tar.ts';
import { copyTree } from '../../trees/copy-tree.ts';
import type { BuildSource } from '../builder.ts';
import type { CacheMounts } from '../cache/cache-mounts.ts';
import { FolderTree } from '../context/folder-tree.ts';
import { byteText, nameOf, parentOf, resolveInTree, shownPath } from '../context/tree-paths.ts';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import type { Source } from '../solver/stage-sources.ts';
import type { RunOp, Step, StepMount } from '../solver/step.ts';

/** The mounts of a step, in addition to its layers. */
export interface OpenedMounts {
  readonly mounts: readonly OciMount[];
  /** Variables for them, `NAME=value`. */
  readonly env: readonly string[];
  /** Removes everything that was made for them, after the process has ended. */
  close(): Promise<void>;
}

/** A writable tree of files for a step. */
export interface OpenedFolder {
  readonly path: string;
  release(): Promise<void>;
}

export interface MountsContext {
  readonly libc: Libc;
  readonly trees: TreeTars;
  /** Where sources are mounted for the runtime. */
  readonly partsDirectory: string;
  readonly cacheMounts: CacheMounts;
  /** An in-memory folder for secrets while a step runs. */
  readonly secretsDirectory: string;
  readonly source: BuildSource;
  /** Opens a copy of a source, whose changes are discarded. */
  readonly openFolder: (source: Source) => Promise<OpenedFolder>;
}

/** Creates all mounts of a step. Throws EngineError 'bad-request' that names the instruction. */
export async function openMounts(
  context: MountsContext,
  options: {
    readonly step: Step;
    readonly op: RunOp;
    readonly rootfs: string;
    readonly signal: AbortSignal;
  },
): Promise<OpenedMounts> {
  const { op, rootfs } = options;
  const opener = new Opener(context, options.step, options.signal);
  try {
    for (const [index, mount] of op.mounts.entries()) await opener.open(mount, index);
    if (op.script !== undefined) await opener.script(op.script.name, op.script.content);
    opener.checkPlaces(rootfs);
    const stubs = await noteMountStubs(
      rootfs,
      opener.mounts.map(({ destination }) => destination),
    );
    opener.onClose(() => stubs.clear());
    return { mounts: opener.mounts, env: opener.env, close: () => opener.close() };
  } catch (error) {
    await opener.close();
    throw error;
  }
}

class Opener {
  readonly mounts: OciMount[] = [];
  readonly env: string[] = [];
  readonly #context: MountsContext;
  readonly #step: Step;
  readonly #signal: AbortSignal;
  readonly #closers: (() => Promise<void>)[] = [];
  #secrets: string | undefined;

  constructor(context: MountsContext, step: Step, signal: AbortSignal) {
    this.#context = context;
    this.#step = step;
    this.#signal = signal;
  }

  onClose(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }

  async open(mount: StepMount, index: number): Promise<void> {
    switch (mount.type) {
      case 'bind':
        this.#bind(await this.#hold(mount.from, mount.source), mount.target, mount.writable);
        return;
      case 'cache':
        await this.#cache(mount);
        return;
      case 'tmpfs':
        this.mounts.push({
          destination: mount.target,
          type: 'tmpfs',
          source: 'tmpfs',
          options: ['nosuid', 'nodev', ...(mount.size === undefined ? [] : [`size=${mount.size}`])],
        });
        return;
      case 'secret':
        await this.#secret(mount);
        return;
      case 'ssh':
        await this.#ssh(mount, index);
    }
  }

  /** Throws EngineError for a mount over /proc. */
  checkPlaces(rootfs: string): void {
    try {
      checkProcMountsIn(rootfs, this.mounts);
    } catch (error) {
      throw this.#refuse((error as Error).message);
    }
  }

  /** Writes a script to /dev/pipes, where BuildKit's users expect it; no layer contains /dev. */
  async script(name: string, content: string): Promise<void> {
    const file = await this.#privateFile(Buffer.from(content), { mode: 0o755, uid: 0, gid: 0 });
    this.#bind(file, `/dev/pipes/${name}`, false);
  }

  /** Opens the path inside the tree of the source, and mounts it under a name of the agent for the runtime. */
  async #hold(source: Source, path: string): Promise<string> {
    const { path: root } = await this.#openFolder(source);
    const { libc, partsDirectory } = this.#context;
    const held = await holdPath(libc, root, path, partsDirectory);
    if (held === undefined) throw this.#refuse(`the source of a mount does not exist: ${path}`);
    this.onClose(() => held.release());
    return held.path;
  }

  async #openFolder(source: Source): Promise<OpenedFolder> {
    const opened = await this.#context.openFolder(source);
    this.onClose(() => opened.release());
    return opened;
  }

  async #cache(mount: Extract<StepMount, { readonly type: 'cache' }>): Promise<void> {
    const { from } = mount;
    const opened = await this.#context.cacheMounts.acquire(
      {
        ...mount,
        fill: from === undefined ? undefined : (folder) => this.#fill(folder, from, mount.source),
      },
      this.#signal,
    );
    this.onClose(async () => opened.release());
    this.#bind(opened.folder, mount.target, !mount.readonly);
  }

  /** Fills a folder with owners, names, pipes and attributes, which fs.cp does not keep. */
  async #fill(folder: string, from: Source, path: string): Promise<void> {
    const { path: root } = await this.#openFolder(from);
    const { libc, trees } = this.#context;
    const source = openInRoot(libc, root, path, 'folder');
    if (source === undefined) throw this.#refuse(`the source of a cache is not a folder: ${path}`);
    const target = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await copyTree(trees, source, target, this.#signal);
    } catch (error) {
      this.#signal.throwIfAborted();
      throw this.#refuse(`a cache could not be filled from ${path}: ${(error as Error).message}`);
    } finally {
      closeSync(target);
      closeSync(source);
    }
  }

  async #secret(mount: Extract<StepMount, { readonly type: 'secret' }>): Promise<void> {
    const value = await this.#context.source.secret(mount.id, this.#signal);
    if (value === undefined) {
      if (mount.required) throw this.#refuse(`secret ${mount.id}: not found`);
      return;
    }
    if (mount.env !== undefined) this.env.push(`${mount.env}=${Buffer.from(value).toString('utf8')}`);
    if (mount.env !== undefined && mount.target === undefined) return;
    this.#bind(await this.#privateFile(value, mount), mount.target ?? `/run/secrets/${mount.id}`, false);
  }

  async #ssh(mount: Extract<StepMount, { readonly type: 'ssh' }>, index: number): Promise<void> {
    const socket = await this.#context.source.sshSocket(mount.id, this.#signal);
    if (socket === undefined) {
      if (mount.required)
        throw this.#refuse(`no ssh agent ${mount.id} was given: build with --ssh ${mount.id}`);
      return;
    }
    this.onClose(() => socket.release());
    await chown(socket.path, mount.uid, mount.gid);
    await chmod(socket.path, mount.mode);
    const target = mount.target ?? `/run/buildkit/ssh_agent.${index}`;
    this.#bind(socket.path, target, true);
    if (!this.env.some((entry) => entry.startsWith('SSH_AUTH_SOCK=')))
      this.env.push(`SSH_AUTH_SOCK=${target}`);
  }

  async #privateFile(
    content: Uint8Array,
    { mode, uid, gid }: { readonly mode: number; readonly uid: number; readonly gid: number },
  ): Promise<string> {
    if (this.#secrets === undefined) {
      const folder = join(this.#context.secretsDirectory, randomUUID());
      await mkdir(folder, { recursive: true, mode: 0o700 });
      this.#secrets = folder;
      this.onClose(() => rm(folder, { recursive: true, force: true }));
    }
    const file = join(this.#secrets, randomUUID());
    await writeFile(file, content, { mode: 0o600 });
    await chown(file, uid, gid);
    await chmod(file, mode);
    return file;
  }

  #bind(source: string, destination: string, writable: boolean): void {
    const options = ['rbind', writable ? 'rw' : 'ro', 'rprivate'];
    this.mounts.push({ destination, type: 'bind', source, options });
  }

  #refuse(message: string): Error {
    return dockerfileError(this.#step.at, `RUN: ${message}`);
  }
}

/** Paths of a root file system that exist only because something is mounted there. */
interface MountStubs {
  /** Removes the empty ones, after the process has ended. */
  clear(): Promise<void>;
}

/** Records which of `targets` do not exist yet. */
export async function noteMountStubs(root: string, targets: readonly string[]): Promise<MountStubs> {
  const tree = new FolderTree(root, async () => undefined);
  const missing = new Set<string>();
  for (const target of targets) {
    const resolved = await resolveInTree(tree, byteText(target));
    if (resolved === undefined || resolved.entry !== undefined) continue;
    for (let path = resolved.path; path !== ''; path = parentOf(path)) {
      if ((await tree.entry(path)) !== undefined) break;
      missing.add(path);
    }
  }
  return {
    async clear() {
      const deepestFirst = [...missing].sort((a, b) => b.length - a.length);
      for (const path of deepestFirst) clearStub(root, path);
    },
  };
}

/**
 * Removes an empty mount point. The process may have replaced a component by a link, and another holder of a descriptor
 * may do so now: no link is followed.
 */
function clearStub(root: string, path: string): void {
  const opened: number[] = [];
  try {
    let folder = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
    opened.push(folder);
    for (const name of parentOf(path).split('/').filter(Boolean)) {
      const next = openFolderAt(folder, name);
      if (next === undefined) return;
      opened.push(next);
      folder = next;
    }
    const name = nameOf(path);
    const stat = statAt(folder, name);
    if (stat?.isFile() && stat.size === 0n) unlinkSync(pathAt(folder, name));
    else if (stat?.isDirectory()) rmdirSync(pathAt(folder, name));
  } catch (error) {
    if (NOT_EMPTY.has((error as NodeJS.ErrnoException).code)) return;
    throw new Error(`the mount point that was created at ${shownPath(path)} cannot be removed`, {
      cause: error,
    });
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

const NOT_EMPTY: ReadonlySet<unknown> = new Set(['ENOTEMPTY', 'EEXIST']);
