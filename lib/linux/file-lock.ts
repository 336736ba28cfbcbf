import { closeSync, constants as files, openSync } from 'node:fs';
import { constants } from 'node:os';
import koffi from 'koffi';

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

export interface FileLock {
  release(): void;
}

/** Of the open file; a FIFO would wait for its other end. */
const TO_WRITE = files.O_WRONLY | files.O_APPEND | files.O_CREAT | files.O_NONBLOCK;
const TO_READ = files.O_RDONLY | files.O_NONBLOCK;

/**
 * Locks a file (flock(2)), exclusively or shared; creates it with mode 0600 when it is missing, unless it is opened `to read`.
 * The kernel releases the lock when this process ends. Returns undefined when another holder has the lock. Throws Error with `code` when the
 * file cannot be opened or the file system has no locks.
 */
export function lockFile(
  path: string,
  use: 'alone' | 'shared',
  access: 'to read' | 'to write' = 'to write',
): FileLock | undefined {
  const flock = koffi.load(null).func('int flock(int fd, int operation)');
  const descriptor = openSync(path, access === 'to write' ? TO_WRITE : TO_READ, 0o600);
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
