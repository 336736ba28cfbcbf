import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { ERRNO } from './errno.ts';
import type { Libc } from './libc.ts';

const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;

/**
 * Reads a regular file of a tree that a stranger filled: every link in `path` is resolved inside `root`, as if the
 * process were chrooted there (openat2(2), RESOLVE_IN_ROOT), so a link to the host's /etc/passwd reads the tree's.
 * Undefined when there is no such regular file, or it has more than `limit` bytes.
 */
export function readFileInRoot(libc: Libc, root: string, path: string, limit: number): string | undefined {
  const directory = openSync(root, constants.O_DIRECTORY | constants.O_RDONLY);
  try {
    const how = new BigUint64Array([
      BigInt(constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | 0o2000000),
      0n,
      BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS),
    ]);
    const fd = libc.openat2(directory, path, new Uint8Array(how.buffer), how.byteLength);
    if (fd < 0) {
      const errno = libc.errno();
      if (errno === ERRNO.ENOENT || errno === ERRNO.ENOTDIR || errno === ERRNO.ELOOP) return undefined;
      throw new Error(`opening ${path} inside ${root} failed with error number ${errno}`);
    }
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.size > limit) return undefined;
      const buffer = Buffer.alloc(stat.size);
      return buffer.toString('utf8', 0, readSync(fd, buffer, 0, stat.size, 0));
    } finally {
      closeSync(fd);
    }
  } finally {
    closeSync(directory);
  }
}
