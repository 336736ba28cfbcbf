import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { getSystemErrorMessage } from 'node:util';
import { ERRNO } from '../errno.ts';
import type { Libc } from '../libc.ts';
import { ATTEMPTS, O_PATH, openPatiently, readNamed } from './in-root.ts';

const CLOSE_ON_EXEC = 0o2000000;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_BENEATH = 0x08;
const RESOLVE_IN_ROOT = 0x10;

/** Treatment of links out of a tree: they resolve inside its root, or are refused with the code `EXDEV`. */
export type OutwardLinks = 'stay' | 'refused';

/**
 * Reads a regular file of a tree that a stranger filled: every link in `path` is resolved inside `root`, as if the
 * process were chrooted there (openat2(2), RESOLVE_IN_ROOT), so a link to the host's /etc/passwd reads the tree's.
 * Undefined when there is no such regular file, or it has more than `limit` bytes.
 */
export function readFileInRoot(libc: Libc, root: string, path: string, limit: number): Buffer | undefined {
  return readInRoot(libc, root, path, (size) => (size > limit ? undefined : size));
}

/** As readFileInRoot, but the first `length` bytes of a file of any size. */
export function readHeadInRoot(libc: Libc, root: string, path: string, length: number): Buffer | undefined {
  return readInRoot(libc, root, path, (size) => Math.min(size, length));
}

function readInRoot(
  libc: Libc,
  root: string,
  path: string,
  wanted: (size: number) => number | undefined,
): Buffer | undefined {
  const named = openInRoot(libc, root, path);
  if (named === undefined) return undefined;
  try {
    const stat = fstatSync(named);
    const length = stat.isFile() ? wanted(stat.size) : undefined;
    return length === undefined ? undefined : readNamed(named, length);
  } finally {
    closeSync(named);
  }
}

/**
 * Opens a folder of a tree that a stranger filled, or names anything in it, with every link resolved inside `root`: a descriptor
 * of 'anything' is O_PATH, since to open a device can do something already. The caller closes it. Undefined when there is no
 * such thing.
 */
export function openInRoot(
  libc: Libc,
  root: string,
  path: string,
  kind: 'anything' | 'folder' = 'anything',
): number | undefined {
  const directory = openSync(root, constants.O_DIRECTORY | constants.O_RDONLY);
  try {
    const how = howOf(kind);
    const fd = openPatiently(() => libc.openat2(directory, path, how, how.byteLength), libc.errno);
    return fd >= 0 ? fd : unlessAbsent(libc.errno(), root, path);
  } finally {
    closeSync(directory);
  }
}

/** As openInRoot, in threads of the pool: a volume may lie on a server that does not answer. */
export async function openInRootLater(
  libc: Libc,
  root: string,
  path: string,
  outward: OutwardLinks = 'stay',
): Promise<number | undefined> {
  const directory = await open(root, constants.O_DIRECTORY | constants.O_RDONLY);
  try {
    const how = howOf('anything', outward === 'stay' ? RESOLVE_IN_ROOT : RESOLVE_BENEATH);
    for (let attempt = 1; ; attempt += 1) {
      const { fd, errno } = await libc.openat2Later(directory.fd, path, how, how.byteLength);
      if (fd >= 0) return fd;
      if (errno !== ERRNO.EAGAIN || attempt === ATTEMPTS) return unlessAbsent(errno, root, path);
    }
  } finally {
    await directory.close();
  }
}

function howOf(kind: 'anything' | 'folder', scope = RESOLVE_IN_ROOT): Uint8Array {
  const flags = CLOSE_ON_EXEC | (kind === 'folder' ? constants.O_RDONLY | constants.O_DIRECTORY : O_PATH);
  const how = new BigUint64Array([BigInt(flags), 0n, BigInt(scope | RESOLVE_NO_MAGICLINKS)]);
  return new Uint8Array(how.buffer);
}

function unlessAbsent(errno: number, root: string, path: string): undefined {
  if (ABSENT.has(errno)) return undefined;
  const error = new Error(`${path} cannot be opened inside ${root}: ${getSystemErrorMessage(-errno)}`);
  throw errno === ERRNO.EXDEV ? Object.assign(error, { code: 'EXDEV' }) : error;
}

/** Nothing there, or a loop of links. */
const ABSENT = new Set<number>([ERRNO.ENOENT, ERRNO.ENOTDIR, ERRNO.ELOOP, ERRNO.EACCES]);
