import { closeSync, existsSync, openSync, readFileSync, write } from 'node:fs';
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The cgroup hierarchies of this host. */
export interface CgroupLayout {
  readonly root: string;
  readonly version: 1 | 2;
  /** Whether the kernel counts swap, so that a limit of memory plus swap can be set. */
  readonly swapLimit: boolean;
  /** Controllers that this kernel lacks; absent when it has all. */
  readonly missing?: ReadonlySet<Controller>;
}

/** A controller that container limits need, by its version 2 name. */
export type Controller = (typeof CONTROLLERS)[number];

const CONTROLLERS = ['memory', 'cpu', 'cpuset', 'pids'] as const;

const ROOT = '/sys/fs/cgroup';

/** Detects version 2 when it is mounted at the root. A hybrid counts as version 1, which has the controllers. */
export function detectCgroups(root = ROOT, ownGroups = readOwnGroups()): CgroupLayout {
  if (!existsSync(join(root, 'cgroup.controllers'))) {
    const swapLimit = existsSync(join(root, 'memory/memory.memsw.limit_in_bytes'));
    return { root, version: 1, swapLimit, ...without((name) => existsSync(join(root, name))) };
  }
  // The root group has no limits; assume that the kernel counts swap, which is its default.
  const own = /^0::(.*)$/m.exec(ownGroups)?.[1] ?? '/';
  const swapLimit = own === '/' || existsSync(join(root, own, 'memory.swap.max'));
  const controllers = readFileSync(join(root, 'cgroup.controllers'), 'latin1').trim().split(' ');
  return { root, version: 2, swapLimit, ...without((name) => controllers.includes(name)) };
}

function without(has: (name: Controller) => boolean): Pick<CgroupLayout, 'missing'> {
  const missing = CONTROLLERS.filter((name) => !has(name));
  return missing.length === 0 ? {} : { missing: new Set(missing) };
}

function readOwnGroups(): string {
  return readFileSync('/proc/self/cgroup', 'latin1');
}

/** Reports whether the kernel supports block I/O weights. */
export function hasBlockWeight({ root, version }: CgroupLayout): boolean {
  if (version === 2) return /\bio\b/.test(readFileSync(join(root, 'cgroup.controllers'), 'latin1'));
  return ['blkio.weight', 'blkio.bfq.weight'].some((file) => existsSync(join(root, 'blkio', file)));
}

/** Returns the number of processes of the group that the OOM killer has killed; 0 when there is no such group. */
export async function countOomKills(layout: CgroupLayout, path: string): Promise<number> {
  const file =
    layout.version === 2
      ? join(layout.root, path, 'memory.events')
      : join(layout.root, 'memory', path, 'memory.oom_control');
  try {
    return Number(/^oom_kill (\d+)$/m.exec(await readFile(file, 'latin1'))?.[1] ?? 0);
  } catch (error) {
    if (isGone(error)) return 0;
    throw error;
  }
}

/**
 * Kills all processes of a group and removes it from every hierarchy, for groups that no runtime owns any more. Throws
 * when something cannot be removed within 5 seconds.
 */
export async function destroyCgroup(layout: CgroupLayout, path: string): Promise<void> {
  await removeLitter(layout, path);
  for (const folder of await groupFolders(layout, path)) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await killMembers(folder);
        await rmdir(folder);
        break;
      } catch (error) {
        if (isGone(error)) break;
        if (attempt === 50) throw error;
      }
      await sleep(100);
    }
  }
}

/** Lists the processes of a group and its descendants, sorted; none when there is no such group. */
export async function listMembers(layout: CgroupLayout, path: string): Promise<readonly number[]> {
  const [folder] = await groupFolders(layout, path);
  if (folder === undefined) return [];
  const names = await readdir(folder, { recursive: true }).catch(() => [] as string[]);
  const lists = ['cgroup.procs', ...names.filter((name) => name.endsWith('/cgroup.procs'))];
  const texts = await Promise.all(
    lists.map((name) => readFile(join(folder, name), 'latin1').catch(() => '')),
  );
  return texts
    .flatMap((text) => text.split('\n').filter(Boolean).map(Number))
    .sort((one, other) => one - other);
}

async function groupFolders(layout: CgroupLayout, path: string): Promise<readonly string[]> {
  if (layout.version === 2) return [join(layout.root, path)];
  const hierarchies = await readdir(layout.root, { withFileTypes: true });
  return hierarchies
    .filter((entry) => entry.isDirectory() && existsSync(join(layout.root, entry.name, 'cgroup.procs')))
    .map((entry) => join(layout.root, entry.name, path))
    .filter((folder) => existsSync(folder));
}

/**
 * Removes the plain folders and files of one group that crun leaves behind: it makes them where the unified hierarchy
 * is not mounted beside version 1.
 */
export async function removeLitter(layout: CgroupLayout, path: string): Promise<void> {
  if (layout.version === 2) return;
  const unified = join(layout.root, 'unified');
  if (existsSync(join(unified, 'cgroup.procs'))) return;
  await rm(join(unified, path), { recursive: true, force: true });
}

/**
 * Allows real-time scheduling in a group. A new group of version 1 has no real-time budget, so each folder above `path`
 * without one gets all of the root's. Does nothing where the kernel does not limit real-time scheduling by group.
 */
export async function allowRealtime(layout: CgroupLayout, path: string): Promise<void> {
  const root = join(layout.root, 'cpu');
  const file = 'cpu.rt_runtime_us';
  const all = await readFile(join(root, file), 'latin1').catch(() => undefined);
  if (layout.version === 2 || all === undefined) return;
  let folder = root;
  for (const name of path.split('/').filter(Boolean).slice(0, -1)) {
    folder = join(folder, name);
    await mkdir(folder, { recursive: true });
    if (Number(await readFile(join(folder, file), 'latin1')) === 0)
      await writeFile(join(folder, file), all.trim());
  }
}

async function killMembers(folder: string): Promise<void> {
  const members = await readFile(join(folder, 'cgroup.procs'), 'latin1');
  for (const pid of members.split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENODEV';
}

/**
 * Speeds up moves of processes between cgroups of version 1. The first move after a pause waits for an RCU grace period
 * of the kernel (6 to 12 ms), and moves in the next 15 ms do not. So the agent moves itself into its own group, which
 * changes nothing, as soon as it knows that a runtime will move a process; the wait then passes while other work is
 * done. In version 2 runtimes create processes directly in their group.
 */
export class CgroupMoves {
  readonly #layout: CgroupLayout;
  readonly #readOwnGroups: () => string;
  #file: { readonly fd: number; readonly groups: string } | undefined;
  #isMoving = false;

  /** `readOwnGroups` reads /proc/self/cgroup. */
  constructor(layout: CgroupLayout, readOwnGroups = () => readFileSync('/proc/self/cgroup', 'latin1')) {
    this.#layout = layout;
    this.#readOwnGroups = readOwnGroups;
  }

  /** Announces that a process is about to be moved. Never throws: a failure only costs time. */
  expect(): void {
    if (this.#layout.version === 2 || this.#isMoving) return;
    const fd = this.#ownGroup();
    if (fd === undefined) return;
    this.#isMoving = true;
    write(fd, String(process.pid), null, () => {
      this.#isMoving = false;
    });
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file.fd);
    this.#file = undefined;
  }

  /**
   * Opens the file that moves this process into its own group. Another program may have moved the process since the
   * last call.
   */
  #ownGroup(): number | undefined {
    try {
      const groups = this.#readOwnGroups();
      if (this.#file?.groups === groups) return this.#file.fd;
      this.close();
      const path = this.#findGroup(groups);
      if (path === undefined) return undefined;
      this.#file = { fd: openSync(path, 'r+'), groups };
      return this.#file.fd;
    } catch {
      return undefined;
    }
  }

  /**
   * Parses lines `NUMBER:CONTROLLERS:PATH`. The file does not list this process when a namespace or mount shows other
   * paths.
   */
  #findGroup(groups: string): string | undefined {
    for (const line of groups.split('\n')) {
      const [, name, path] = /^[1-9]\d*:(?:name=)?([^:]+):(.*)$/.exec(line) ?? [];
      if (name === undefined || path === undefined) continue;
      const file = join(this.#layout.root, name, path, 'cgroup.procs');
      if (hasLine(file, String(process.pid))) return file;
    }
    return undefined;
  }
}

function hasLine(file: string, line: string): boolean {
  try {
    return readFileSync(file, 'latin1').split('\n').includes(line);
  } catch {
    return false;
  }
}
