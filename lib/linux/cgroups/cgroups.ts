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
  /** Controllers for limits that this kernel was started without; absent where there are all. */
  readonly missing?: ReadonlySet<Controller>;
}

/** A controller that limits of containers need, by its name in version 2. */
export type Controller = (typeof CONTROLLERS)[number];

const CONTROLLERS = ['memory', 'cpu', 'cpuset', 'pids'] as const;

const ROOT = '/sys/fs/cgroup';

/** Version 2 where it is mounted at the root itself; a mixture counts as version 1, as its controllers are there. */
export function detectCgroups(root = ROOT, ownGroups = readOwnGroups()): CgroupLayout {
  if (!existsSync(join(root, 'cgroup.controllers'))) {
    const swapLimit = existsSync(join(root, 'memory/memory.memsw.limit_in_bytes'));
    return { root, version: 1, swapLimit, ...without((name) => existsSync(join(root, name))) };
  }
  // The root group has no limits; there the kernel is taken to count swap, as it does unless told otherwise at boot.
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

/** Whether the kernel can weigh the block I/O of groups against each other. */
export function hasBlockWeight({ root, version }: CgroupLayout): boolean {
  if (version === 2) return /\bio\b/.test(readFileSync(join(root, 'cgroup.controllers'), 'latin1'));
  return ['blkio.weight', 'blkio.bfq.weight'].some((file) => existsSync(join(root, 'blkio', file)));
}

/** How many processes of the group the kernel has killed for want of memory; 0 when there is no such group. */
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
 * Kills what is left in a group and removes it from every hierarchy: for groups that no runtime knows of any more. Throws
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

/** The processes of a group and of those below it, sorted; none when there is no such group. */
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
 * Where the unified hierarchy is not mounted beside version 1, crun makes plain folders and files in its place and leaves
 * them behind; this removes those of one group.
 */
export async function removeLitter(layout: CgroupLayout, path: string): Promise<void> {
  if (layout.version === 2) return;
  const unified = join(layout.root, 'unified');
  if (existsSync(join(unified, 'cgroup.procs'))) return;
  await rm(join(unified, path), { recursive: true, force: true });
}

/**
 * Lets the members of a group have real-time scheduling, which a new group of version 1 has none of: each folder above `path`
 * that has no time yet gets all that the root has. Does nothing where the kernel does not share out such time.
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
 * Makes moves of processes between cgroups of version 1 quick. The first move for a while waits until every processor has
 * taken note (an RCU grace period of the kernel, 6 to 12 ms), and those of the next 15 ms do not. So the agent moves itself to where it is,
 * which changes nothing, as soon as it knows that a runtime will move a process, and that wait passes while other work is
 * done. In version 2 runtimes make processes in their group.
 */
export class CgroupMoves {
  readonly #layout: CgroupLayout;
  readonly #readOwnGroups: () => string;
  #file: { readonly fd: number; readonly groups: string } | undefined;
  #isMoving = false;

  /** `readOwnGroups` gives /proc/self/cgroup. */
  constructor(layout: CgroupLayout, readOwnGroups = () => readFileSync('/proc/self/cgroup', 'latin1')) {
    this.#layout = layout;
    this.#readOwnGroups = readOwnGroups;
  }

  /** A process is about to be moved. Never throws: without this it is only slower. */
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

  /** A file by which this process can be moved to where it is. Somebody may have moved it since the last time. */
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

  /** Lines are `NUMBER:CONTROLLERS:PATH`; where a namespace or a mount shows other paths, this process is not in the file. */
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
