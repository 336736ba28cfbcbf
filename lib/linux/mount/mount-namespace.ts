import { closeSync } from 'node:fs';
import {
  chmod,
  type FileHandle,
  mkdir,
  open,
  readFile,
  realpath,
  rename,
  stat,
  statfs,
  writeFile,
} from 'node:fs/promises';
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { runProcess } from '../process/run-process.ts';
import { readProcessors } from '../processors.ts';
import { mount, readMounts, unmount } from './mount.ts';

/** linux/magic.h */
const NSFS_MAGIC = 0x6e736673;
/** Set while entering, so that a namespace that cannot be recognised causes an error and not a loop. */
const ENTERED = 'BERTH_MOUNT_NAMESPACE';

/** Mounts and unmounts can block a thread for seconds; Node's default of four threads would leave few for files. */
const THREADS = '16';

/** Limits malloc arenas: each thread would otherwise keep its own. */
const HEAPS = '4';

/**
 * The descriptor through which the shell passes the outer namespace. It is closed at once inside: a container that
 * inherits it by mistake must not reach the host.
 */
const OUTSIDE_FD = 9;

export interface MountNamespaceOptions {
  /** A folder of the agent alone that lasts until reboot, such as /run/berth-agent. It is created. */
  readonly runDirectory: string;
  /** process.execPath */
  readonly execPath: string;
  /** Arguments of this process after execPath: node options, script, arguments. */
  readonly args: readonly string[];
}

/** The namespace of this process. */
export interface MountNamespace {
  /**
   * Descriptor of the host's namespace, in which the agent was started; undefined when it was started inside its own.
   */
  readonly outside: number | undefined;
  /**
   * Releases the namespace: it ends, with all its mounts, when its last process has ended. For a stop after which no
   * container runs; otherwise the next start enters the namespace again.
   */
  release(): Promise<void>;
}

/**
 * Puts this process into the agent's own mount namespace, so that its hundreds of mounts are not on the host; call it
 * before anything else. The namespace is pinned at `<runDirectory>/mount-namespace`, so an agent that restarts after a
 * kill finds its mounts again; new mounts of the host still appear in it. It also gives Node more threads and fewer
 * heaps. Outside, it replaces the process by `nsenter`, which starts the same program again (with the same pid), so the
 * call does not return; inside, it returns. Needs root. Throws an Error whose message says what failed.
 */
export async function enterMountNamespace(options: MountNamespaceOptions): Promise<MountNamespace> {
  await mkdir(options.runDirectory, { recursive: true, mode: 0o700 });
  const folder = await realpath(options.runDirectory);
  await chmod(folder, 0o700);
  const current = await namespaceId('/proc/self/ns/mnt');
  if ((await recordedNamespace(folder)) === current) {
    const outside = process.env[ENTERED] === undefined ? undefined : await takeOutside();
    delete process.env[ENTERED];
    await leaveUnifiedCgroups();
    return {
      outside: outside?.fd,
      release: async () => {
        if (outside !== undefined) await release(folder, outside);
      },
    };
  }
  if (process.env[ENTERED] !== undefined) {
    throw new Error(
      `the agent's mount namespace at ${folder} could not be entered: reboot, or delete the folder`,
    );
  }
  const pin = join(folder, 'mount-namespace');
  if (!(await isPinned(pin))) await createNamespace(folder, pin);
  await recordNamespace(folder, await namespaceId(pin));
  if (process.execve === undefined) throw new Error('the agent runs on Linux only');
  const enter = [await findProgram('nsenter'), `--mount=${pin}`, `--wdns=${process.cwd()}`, '--'];
  // Node writes what it has compiled at the end of the process, which never comes: the next start would compile it again.
  flushCompileCache();
  return process.execve(
    '/bin/sh',
    [
      'sh',
      '-c',
      `exec "$@" ${OUTSIDE_FD}</proc/self/ns/mnt`,
      'sh',
      ...enter,
      options.execPath,
      ...options.args,
    ],
    { UV_THREADPOOL_SIZE: THREADS, MALLOC_ARENA_MAX: HEAPS, ...process.env, [ENTERED]: '1' },
  );
}

async function takeOutside(): Promise<FileHandle> {
  const outside = await open(`/proc/self/fd/${OUTSIDE_FD}`, 'r');
  closeSync(OUTSIDE_FD);
  return outside;
}

async function release(folder: string, outside: FileHandle): Promise<void> {
  const { exitCode, stderr } = await runProcess(
    await findProgram('nsenter'),
    [
      `--mount=/proc/${process.pid}/fd/${outside.fd}`,
      '--',
      'umount',
      '--lazy',
      join(folder, 'mount-namespace'),
      folder,
    ],
    { timeout: 60_000 },
  );
  await outside.close();
  if (exitCode !== 0) throw new Error(`the mounts of ${folder} cannot be released: ${stderr.trim()}`);
}

/** The pin is invisible from inside (a namespace cannot contain itself), so a file beside it records its identity. */
async function recordedNamespace(folder: string): Promise<string | undefined> {
  try {
    return (await readFile(join(folder, 'mount-namespace.id'), 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function recordNamespace(folder: string, id: string): Promise<void> {
  const path = join(folder, 'mount-namespace.id');
  await writeFile(`${path}.new`, `${id}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** Numbers of namespaces change at each boot. */
async function namespaceId(path: string): Promise<string> {
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  return `${boot} ${(await stat(path)).ino}`;
}

/** A pin left from before a reboot is a plain file. */
async function isPinned(pin: string): Promise<boolean> {
  try {
    return (await statfs(pin)).type === NSFS_MAGIC;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function createNamespace(folder: string, pin: string): Promise<void> {
  // The kernel refuses a pin that would propagate into the namespace that it pins.
  if (!(await readMounts()).some((entry) => entry.mountPoint === folder)) {
    await mount({ source: folder, target: folder, type: 'none', flags: ['bind'] });
  }
  await mount({ source: 'none', target: folder, type: 'none', flags: ['private'] });
  await (await open(pin, 'w', 0o600)).close();
  await unshareAt(pin);
}

/**
 * A namespace can pin only namespaces with higher numbers, to prevent cycles; and from 6.18 on the kernel numbers
 * namespaces per processor. If this process is in a namespace that a systemd unit or container has made, one made on
 * another processor may be refused, and one made on the same processor is not.
 */
async function unshareAt(pin: string): Promise<void> {
  const unshare = ['unshare', `--mount=${pin}`, '--propagation', 'slave', '--', 'true'];
  let message = '';
  for (const processor of ['any', ...(await readProcessors())]) {
    const command = processor === 'any' ? unshare : ['taskset', '--cpu-list', processor, ...unshare];
    const { exitCode, stderr } = await runProcess(command[0] ?? '', command.slice(1), { timeout: 60_000 });
    if (exitCode === 0) return;
    message ||= stderr.trim();
  }
  throw new Error(`a mount namespace cannot be made at ${pin}: ${message}`);
}

/**
 * On machines with both cgroup versions crun refuses to run while it sees controllers in version 2. This hides version
 * 2 in the namespace alone; the host keeps it.
 */
async function leaveUnifiedCgroups(): Promise<void> {
  const unified = '/sys/fs/cgroup/unified';
  if ((await readMounts()).some((entry) => entry.mountPoint === unified && entry.type === 'cgroup2')) {
    await unmount(unified, { detach: true });
  }
}

/** execve(2) takes no search path. */
async function findProgram(name: string): Promise<string> {
  for (const folder of (process.env.PATH ?? '/usr/bin:/bin').split(':')) {
    const path = join(folder, name);
    const isFile = await stat(path).then(
      (found) => found.isFile(),
      () => false,
    );
    if (isFile) return path;
  }
  throw new Error(`${name} is not installed: install the package util-linux`);
}
