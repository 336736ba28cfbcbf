import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { getSystemErrorMessage } from 'node:util';
import koffi from 'koffi';
import { ERRNO } from '../errno.ts';
import type { Libc } from '../libc.ts';
import { SystemCallError } from '../mount-library.ts';

/** O_PATH: the descriptor only names a file, so opening a device or FIFO has no effect. Not in node:fs. */
export const O_PATH = 0o10000000;

const SYS_OPENAT2 = 437;
const CLOSE_ON_EXEC = 0o2000000;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;
/** Attempts of openat2 that end with EAGAIN, a few microseconds each. */
const ATTEMPTS = 1000;

/** Opens paths in a tree with untrusted content, as if the process were chrooted there. */
export interface InRoot {
  /**
   * openat2(2) with RESOLVE_IN_ROOT: `root` is the descriptor of the tree's folder, and every link and `..` of `path`
   * stays inside. Magic links of /proc are refused. FIFOs and terminals do not block it. Each character of `path` is
   * one byte; `flags` are those of open(2). The caller closes the descriptor. Throws SystemCallError.
   */
  open(root: number, path: string, flags: number): number;
  /** The same in the thread pool, for file systems that may hang. */
  openLater(root: number, path: string, flags: number): Promise<number>;
}

/** Loads the C library for this thread. */
export function loadInRoot(): InRoot {
  const openat2 = koffi.load(null).func('syscall', 'long', ['long', 'int', 'uint8_t *', 'void *', 'size_t']);
  return {
    open: (root, path, flags) => {
      const { name, how } = callOf(path, flags);
      const call = () => Number(openat2(SYS_OPENAT2, root, name, how, how.byteLength));
      const fd = openPatiently(call, koffi.errno);
      if (fd >= 0) return fd;
      throw new SystemCallError(`cannot open ${shown(path)}`, koffi.errno());
    },
    openLater: async (root, path, flags) => {
      const { name, how } = callOf(path, flags);
      for (let attempt = 1; ; attempt += 1) {
        const { fd, errno } = await new Promise<{ fd: number; errno: number }>((resolve, reject) => {
          const done = (error: Error | null, result: number | bigint) => {
            if (error === null) resolve({ fd: Number(result), errno: koffi.errno() });
            else reject(error);
          };
          openat2.async(SYS_OPENAT2, root, name, how, how.byteLength, done);
        });
        if (fd >= 0) return fd;
        if (errno !== ERRNO.EAGAIN || attempt === ATTEMPTS) {
          throw new SystemCallError(`cannot open ${shown(path)}`, errno);
        }
      }
    },
  };
}

function callOf(path: string, flags: number): { readonly name: Buffer; readonly how: Uint8Array } {
  const always = CLOSE_ON_EXEC | ((flags & O_PATH) === 0 ? constants.O_NONBLOCK | constants.O_NOCTTY : 0);
  const how = new BigUint64Array([
    BigInt(flags | always),
    0n,
    BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS),
  ]);
  const name = Buffer.from(`${path === '' ? '.' : path}\0`, 'latin1');
  return { name, how: new Uint8Array(how.buffer) };
}

/**
 * Retries openat2(2) on EAGAIN, which the kernel returns when anything on the host was renamed or mounted while it
 * resolved a `..`.
 */
function openPatiently(call: () => number, errno: () => number): number {
  for (let attempt = 1; ; attempt += 1) {
    const fd = call();
    if (fd >= 0 || errno() !== ERRNO.EAGAIN || attempt === ATTEMPTS) return fd;
  }
}

function shown(path: string): string {
  return JSON.stringify(Buffer.from(path, 'latin1').toString('utf8').slice(0, 500));
}

/** Returns the content of a regular file; undefined when there is no such file, or it has more than `limit` bytes. */
export function readFileAt(inRoot: InRoot, root: number, path: string, limit: number): Buffer | undefined {
  let named: number;
  try {
    named = inRoot.open(root, path, O_PATH);
  } catch (error) {
    if (ABSENT_CODES.has((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
  try {
    const stat = fstatSync(named);
    return stat.isFile() && stat.size <= limit ? readNamed(named, stat.size) : undefined;
  } finally {
    closeSync(named);
  }
}

/** Reads the start of a regular file by an O_PATH descriptor. A lease on the file does not block it. */
function readNamed(named: number, length: number): Buffer {
  const fd = openSync(`/proc/self/fd/${named}`, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(fd, buffer, 0, length, 0));
  } finally {
    closeSync(fd);
  }
}

/** Nothing there, or a loop of links. */
const ABSENT_CODES: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES']);

const RESOLVE_BENEATH = 0x08;

/** How links out of a tree are treated: they resolve inside its root, or fail with the code `EXDEV`. */
export type OutwardLinks = 'stay' | 'refused';

/**
 * Reads a regular file in an untrusted tree. Every link in `path` resolves inside `root` (openat2(2), RESOLVE_IN_ROOT),
 * so a link to /etc/passwd reads the tree's file, not the host's. Returns undefined when there is no such regular file,
 * or it has more than `limit` bytes.
 */
export function readFileInRoot(libc: Libc, root: string, path: string, limit: number): Buffer | undefined {
  return readInRoot(libc, root, path, (size) => (size > limit ? undefined : size));
}

/** Like readFileInRoot, but returns the first `length` bytes of a file of any size. */
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
 * Opens a folder in an untrusted tree, or gets an O_PATH descriptor of 'anything' in it, since opening a device can
 * have effects. Links resolve inside `root`. The caller closes the descriptor. Returns undefined when the path does not
 * exist.
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

/** Like openInRoot, in the thread pool: the path may be on a file server that hangs. */
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
  if (ABSENT_ERRNOS.has(errno)) return undefined;
  const error = new Error(`${path} cannot be opened inside ${root}: ${getSystemErrorMessage(-errno)}`);
  throw errno === ERRNO.EXDEV ? Object.assign(error, { code: 'EXDEV' }) : error;
}

/** Nothing there, or a loop of links. */
const ABSENT_ERRNOS = new Set<number>([ERRNO.ENOENT, ERRNO.ENOTDIR, ERRNO.ELOOP, ERRNO.EACCES]);
