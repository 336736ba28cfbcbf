import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import koffi from 'koffi';

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

export interface FileLock {
  release(): void;
}

/**
 * Locks a file (flock(2)), exclusively or shared; creates it with mode 0600 when it is missing. The kernel releases the
 * lock when this process ends. Returns undefined when another holder has the lock. Throws Error with `code` when the
 * file cannot be opened or the file system has no locks.
 */
export function lockFile(path: string, use: 'alone' | 'shared'): FileLock | undefined {
  const flock = koffi.load(null).func('int flock(int fd, int operation)');
  const descriptor = openSync(path, 'a', 0o600);
  if (flock(descriptor, (use === 'alone' ? LOCK_EX : LOCK_SH) | LOCK_NB) === 0) {
    return { release: () => closeSync(descriptor) };
  }
  const errno = koffi.errno();
  closeSync(descriptor);
  if (errno === constants.errno.EWOULDBLOCK) return undefined;
  const code =
    Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`;
  throw Object.assign(new Error(`${code}: flock '${path}'`), { code });
}
