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
import { join } from 'node:path';
import { runProcess } from '../process/run-process.ts';
import { readProcessors } from '../processors.ts';
import { mount, readMounts, unmount } from './mount.ts';

/** linux/magic.h */
const NSFS_MAGIC = 0x6e736673;
/** Set across the change, so that a namespace that cannot be recognised ends in an error and not in a loop. */
const ENTERED = 'BERTH_MOUNT_NAMESPACE';

/** Mounts and unmounts can keep a thread for seconds; Node's own four would soon leave none for files. */
const THREADS = '16';

/** Each thread would have a heap of the C library to itself, and keep what it once needed. */
const HEAPS = '4';

/**
 * The descriptor on which the shell hands the namespace outside over. It is closed at once inside: what a container
 * inherits by mistake must not lead to the host.
 */
const OUTSIDE_FD = 9;

export interface MountNamespaceOptions {
  /** A folder of the agent alone, kept while the machine runs, such as /run/berth-agent. It is made. */
  readonly runDirectory: string;
  /** process.execPath */
  readonly execPath: string;
  /** Arguments of this process after execPath: options of node, script, arguments. */
  readonly args: readonly string[];
}

/** The namespace that this process is in. */
export interface MountNamespace {
  /** Descriptor of the namespace that the agent was started in, the host's; undefined where it was started inside its own. */
  readonly outside: number | undefined;
  /**
   * Lets go of the namespace: it ends, with all that is mounted in it, when the last process that is in it has ended.
   * For a stop after which no container runs; otherwise the next start goes on with it.
   */
  release(): Promise<void>;
}

/**
 * Puts this process into the agent's own mount namespace, so that its hundreds of mounts are not on the host; call it
 * before anything else. The namespace is pinned at `<runDirectory>/mount-namespace`, so a killed agent that is started
 * again finds its mounts as they were; mounts of the host go on to appear in it. It also gives Node more threads and fewer heaps. Outside,
 * the process is replaced by `nsenter` and that by the same program again (the pid stays), so the call does not return;
 * inside, it returns.
 * Needs root. Throws an Error whose message says what failed.
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

/** From inside, the pin is not to be seen (a namespace cannot hold itself), so its identity lies in a file beside it. */
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

/** Namespaces are numbered anew at each boot. */
async function namespaceId(path: string): Promise<string> {
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  return `${boot} ${(await stat(path)).ino}`;
}

/** A file that a reboot has left behind is a plain one. */
async function isPinned(pin: string): Promise<boolean> {
  try {
    return (await statfs(pin)).type === NSFS_MAGIC;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function createNamespace(folder: string, pin: string): Promise<void> {
  // The kernel refuses a pin where it would propagate into the namespace that it pins.
  if (!(await readMounts()).some((entry) => entry.mountPoint === folder)) {
    await mount({ source: folder, target: folder, type: 'none', flags: ['bind'] });
  }
  await mount({ source: 'none', target: folder, type: 'none', flags: ['private'] });
  await (await open(pin, 'w', 0o600)).close();
  await unshareAt(pin);
}

/**
 * A namespace can hold only those with higher numbers, or the two could keep each other for ever; and kernels from 6.18
 * on number namespaces by processor. Where this process is in a namespace that somebody has made (a systemd unit, a
 * container), one that is made on another processor may so be refused, but not one of the processor that made the first.
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
 * On machines with both cgroup versions crun refuses to run as long as it sees controllers in the second one. The
 * namespace alone loses sight of it; the host keeps it.
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
