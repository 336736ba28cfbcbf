import { readFile } from 'node:fs/promises';
import { callInThread, mountLibrary, SystemCallError } from '../mount-library.ts';

/** The flags of sys/mount.h that are used. */
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
const SYS_MOUNT_SETATTR = 442;
const AT_FDCWD = -100;
const AT_RECURSIVE = 0x8000;
const MOUNT_ATTR_RDONLY = 1n;
const MOVE_MOUNT_F_EMPTY_PATH = 4;

export type MountFlag = keyof typeof FLAGS;

/** The arguments of mount(2). */
export interface MountRequest {
  readonly source: string;
  readonly target: string;
  /** `none` for bind mounts and changes of propagation. */
  readonly type: string;
  readonly flags: readonly MountFlag[];
  /** Options of the file system, at most one page. */
  readonly data?: string;
}

/** Combines flags of sys/mount.h. */
export function mountFlags(flags: readonly MountFlag[]): number {
  return flags.reduce((sum, flag) => sum | FLAGS[flag], 0);
}

/** mount(2) in the thread pool. Throws SystemCallError. */
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
 * Unmounts the topmost mount of `target`; with `detach` also a busy one, which then ends with its last user. Returns
 * false when nothing is mounted there or the folder does not exist. Throws SystemCallError.
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

/** Attaches mounts made by open_tree(2) or fsmount(2). Throws SystemCallError. */
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

/** Makes the mount at `target` and all mounts below it read-only. Linux 5.12. Throws SystemCallError. */
export async function makeTreeReadOnly(target: string): Promise<void> {
  // struct mount_attr: set, clear, propagation, user namespace.
  const attributes = new Uint8Array(new BigUint64Array([MOUNT_ATTR_RDONLY, 0n, 0n, 0n]).buffer);
  await callInThread(
    `cannot make ${target} read-only`,
    mountLibrary().setAttributes,
    SYS_MOUNT_SETATTR,
    AT_FDCWD,
    target,
    AT_RECURSIVE,
    attributes,
    attributes.byteLength,
  );
}

/** Returns the mounts that this process sees. */
export async function readMounts(): Promise<readonly MountEntry[]> {
  return parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)), its octal escapes undone. */
export interface MountEntry {
  readonly id: number;
  readonly parentId: number;
  /** The folder of the file system that is mounted here. */
  readonly root: string;
  readonly mountPoint: string;
  /** Options of this mount: `ro`, `nodev` … */
  readonly options: readonly string[];
  /** Whether mounts made here propagate to the peers in other namespaces (shared). */
  readonly isShared: boolean;
  /** Whether mounts made at its master propagate here (slave). */
  readonly isSlave: boolean;
  readonly type: string;
  readonly source: string;
  /** Options of the file system, as it prints them. */
  readonly superOptions: string;
}

/** Parses /proc/self/mountinfo; a later entry for a mount point covers an earlier one. */
export function parseMountInfo(text: string): readonly MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const separator = line.indexOf(' - ');
    if (separator < 0) continue;
    const [id, parentId, , root, mountPoint, options, ...tags] = line.slice(0, separator).split(' ');
    const [type, source, superOptions] = line.slice(separator + 3).split(' ');
    if (root === undefined || mountPoint === undefined) continue;
    entries.push({
      id: Number(id),
      parentId: Number(parentId),
      root: unescapeOctal(root),
      mountPoint: unescapeOctal(mountPoint),
      options: (options ?? '').split(','),
      isShared: tags.some((tag) => tag.startsWith('shared:')),
      isSlave: tags.some((tag) => tag.startsWith('master:')),
      type: type ?? '',
      source: unescapeOctal(source ?? ''),
      superOptions: superOptions ?? '',
    });
  }
  return entries;
}

/** The kernel escapes space, tab, line feed and backslash as three octal digits, byte by byte. */
function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
