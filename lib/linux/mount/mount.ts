import { readFile } from 'node:fs/promises';
import { callInThread, mountLibrary, SystemCallError } from '../mount-library.ts';
import { type MountEntry, parseMountInfo } from './mount-info.ts';

/** sys/mount.h; the rest of MS_* is not needed. */
const FLAGS = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  sync: 16,
  remount: 32,
  dirsync: 128,
  noatime: 1024,
  nodiratime: 2048,
  bind: 4096,
  recursive: 16384,
  private: 1 << 18,
  slave: 1 << 19,
  relatime: 1 << 21,
  strictatime: 1 << 24,
} as const;

const MNT_DETACH = 2;
/** The same number on every machine. */
const SYS_MOVE_MOUNT = 429;
const AT_FDCWD = -100;
const MOVE_MOUNT_F_EMPTY_PATH = 4;

export type MountFlag = keyof typeof FLAGS;

/** The arguments of mount(2). */
export interface MountRequest {
  readonly source: string;
  readonly target: string;
  /** `none` for bind mounts and changes of propagation. */
  readonly type: string;
  readonly flags: readonly MountFlag[];
  /** The file system's own options, at most one page. */
  readonly data?: string;
}

/** The bits of flags in sys/mount.h. */
export function mountFlags(flags: readonly MountFlag[]): number {
  return flags.reduce((sum, flag) => sum | FLAGS[flag], 0);
}

/** mount(2), in a thread of the pool. Throws SystemCallError. */
export async function mount(request: MountRequest): Promise<void> {
  await callInThread(
    `cannot mount ${request.type} on ${request.target}`,
    mountLibrary().mount,
    request.source,
    request.target,
    request.type,
    mountFlags(request.flags),
    request.data ?? null,
  );
}

/**
 * Takes the topmost mount off `target`; with `detach` also one that is in use, which then ends with its last user.
 * Answers false when nothing is mounted there or the folder does not exist. Throws SystemCallError.
 */
export async function unmount(target: string, options: { readonly detach: boolean }): Promise<boolean> {
  try {
    await callInThread(
      `cannot unmount ${target}`,
      mountLibrary().umount2,
      target,
      options.detach ? MNT_DETACH : 0,
    );
    return true;
  } catch (error) {
    if (error instanceof SystemCallError && (error.code === 'EINVAL' || error.code === 'ENOENT'))
      return false;
    throw error;
  }
}

/** Attaches mounts that open_tree(2) has copied or fsmount(2) has made. Throws SystemCallError. */
export async function attachMounts(tree: number, target: string): Promise<void> {
  await callInThread(
    `cannot mount on ${target}`,
    mountLibrary().moveMount,
    SYS_MOVE_MOUNT,
    tree,
    '',
    AT_FDCWD,
    target,
    MOVE_MOUNT_F_EMPTY_PATH,
  );
}

/** The mounts that this process sees. */
export async function readMounts(): Promise<readonly MountEntry[]> {
  return parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
}
