import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
} from 'node:fs';
import { O_PATH } from '../../../lib/linux/files/in-root.ts';
import type { Xattrs } from '../../../lib/linux/files/xattrs.ts';

/** Errors of an entry that disappeared, or changed its type, while a tree is read. */
const GONE: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL']);

/**
 * A name is always looked up in the open descriptor of its folder, and never followed if it is a link, so that a
 * container which swaps folders for links while its tree is read gains nothing. Each character of a name is one byte.
 */

/** Returns the path of a name in an open folder, for system calls that take only paths. */
export function pathAt(folder: number, name: string): Buffer {
  return Buffer.from(`/proc/self/fd/${folder}/${name}`, 'latin1');
}

/** Returns undefined when there is nothing with that name. */
export function statAt(folder: number, name: string): BigIntStats | undefined {
  return lstatSync(pathAt(folder, name), { bigint: true, throwIfNoEntry: false });
}

/** Returns the extended attributes of a name; undefined when there is nothing with that name. */
export function xattrsAt(
  xattrs: Xattrs,
  folder: number,
  name: string,
): ReadonlyMap<string, string> | undefined {
  return unlessGone(() => xattrs.read(pathAt(folder, name)));
}

/** Returns the target of a symlink, one character per byte; undefined when there is no symlink with that name. */
export function targetAt(folder: number, name: string): string | undefined {
  return unlessGone(() => readlinkSync(pathAt(folder, name), { encoding: 'latin1' }));
}

/** Returns undefined when there is no folder with that name. The caller closes the descriptor. */
export function openFolderAt(folder: number, name: string): number | undefined {
  return unlessGone(() =>
    openSync(pathAt(folder, name), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW),
  );
}

/** Opens a regular file for reading; undefined when there is none with that name. The caller closes the descriptor. */
export function openFileAt(folder: number, name: string): number | undefined {
  const named = unlessGone(() => openSync(pathAt(folder, name), O_PATH | constants.O_NOFOLLOW));
  if (named === undefined) return undefined;
  try {
    return fstatSync(named).isFile() ? openSync(`/proc/self/fd/${named}`, constants.O_RDONLY) : undefined;
  } finally {
    closeSync(named);
  }
}

/** Lists the names in a folder, sorted by bytes. */
export function namesIn(folder: number): readonly string[] {
  return readdirSync(`/proc/self/fd/${folder}`, { encoding: 'latin1' }).sort();
}

function unlessGone<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
}
