import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import koffi from 'koffi';
import { ERRNO } from '../errno.ts';
import { SystemCallError } from '../mount-library.ts';

/** A descriptor that only names a file: opening one has no effect on a device or FIFO. Not in node:fs. */
export const O_PATH = 0o10000000;

const SYS_OPENAT2 = 437;
const CLOSE_ON_EXEC = 0o2000000;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;
/** Calls of openat2 where it gives up for now, a few microseconds each. */
export const ATTEMPTS = 1000;

/** Opens paths of a tree that a stranger filled, as if the process were chrooted there. */
export interface InRoot {
  /**
   * openat2(2) with RESOLVE_IN_ROOT: `root` is the descriptor of the tree's folder, and every link and `..` of `path`
   * stays inside. Links of /proc that lead anywhere are refused. Neither a FIFO nor a terminal holds it up. Each character
   * of `path` is one byte; `flags` are those of open(2). The caller closes the descriptor. Throws SystemCallError.
   */
  open(root: number, path: string, flags: number): number;
  /** The same in a thread of the pool, for paths on a file system that may not answer. */
  openLater(root: number, path: string, flags: number): Promise<number>;
}

/** Binds the C library of this thread. */
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
 * Calls openat2(2) again where it gives up with EAGAIN: the kernel does so whenever anything was renamed or mounted on the
 * host while it went over a `..`.
 */
export function openPatiently(call: () => number, errno: () => number): number {
  for (let attempt = 1; ; attempt += 1) {
    const fd = call();
    if (fd >= 0 || errno() !== ERRNO.EAGAIN || attempt === ATTEMPTS) return fd;
  }
}

function shown(path: string): string {
  return JSON.stringify(Buffer.from(path, 'latin1').toString('utf8').slice(0, 500));
}

/** The content of a regular file; undefined when there is none of that path, or it has more than `limit` bytes. */
export function readFileAt(inRoot: InRoot, root: number, path: string, limit: number): Buffer | undefined {
  let named: number;
  try {
    named = inRoot.open(root, path, O_PATH);
  } catch (error) {
    if (ABSENT.has((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
  try {
    const stat = fstatSync(named);
    return stat.isFile() && stat.size <= limit ? readNamed(named, stat.size) : undefined;
  } finally {
    closeSync(named);
  }
}

/** Reads the beginning of a regular file by a descriptor that only names it. A lease that somebody has on it holds nobody up. */
export function readNamed(named: number, length: number): Buffer {
  const fd = openSync(`/proc/self/fd/${named}`, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(fd, buffer, 0, length, 0));
  } finally {
    closeSync(fd);
  }
}

/** Nothing there, or a loop of links. */
const ABSENT: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES']);
