import type { TreeEntry } from '../../context/file-tree.ts';

/** The kinds of file that a client names in a stat, by Go's io/fs.FileMode. */
export type FileKind = 'file' | 'directory' | 'symlink' | 'other';

const DIRECTORY = 0x8000_0000;
const SYMLINK = 0x0800_0000;
const OTHER = 0x0400_0000 | 0x0200_0000 | 0x0100_0000 | 0x0020_0000 | 0x0008_0000;
const SET_UID = 0x0080_0000;
const SET_GID = 0x0040_0000;
const STICKY = 0x0010_0000;

export function fileKind(mode: number): FileKind {
  if ((mode & DIRECTORY) !== 0) return 'directory';
  if ((mode & SYMLINK) !== 0) return 'symlink';
  return (mode & OTHER) === 0 ? 'file' : 'other';
}

/** The twelve permission bits as chmod(2) takes them. */
export function permissions(mode: number): number {
  return (
    (mode & 0o777) |
    ((mode & SET_UID) === 0 ? 0 : 0o4000) |
    ((mode & SET_GID) === 0 ? 0 : 0o2000) |
    ((mode & STICKY) === 0 ? 0 : 0o1000)
  );
}

const KINDS: Readonly<Record<TreeEntry['kind'], number>> = {
  file: 0,
  folder: DIRECTORY,
  symlink: SYMLINK,
  fifo: 0x0200_0000,
  block: 0x0400_0000,
  char: 0x0420_0000,
};

/** Go's FileMode of an entry of a tree. */
export function goModeOf(kind: TreeEntry['kind'], mode: number): number {
  return (
    (KINDS[kind] |
      (mode & 0o777) |
      ((mode & 0o4000) === 0 ? 0 : SET_UID) |
      ((mode & 0o2000) === 0 ? 0 : SET_GID) |
      ((mode & 0o1000) === 0 ? 0 : STICKY)) >>>
    0
  );
}
