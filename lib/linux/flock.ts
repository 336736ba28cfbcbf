import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';

const LOCK_EX = 2;
const LOCK_NB = 4;

export interface FileLock {
  release(): void;
}

/**
 * Locks a file (flock(2)), and makes it where it is missing. The kernel releases the lock when this process ends, however
 * it ends. Returns undefined when another process holds the lock. Throws Error with `code` when the file cannot be opened.
 */
export function lockFile(path: string): FileLock | undefined {
  const flock = koffi.load(null).func('int flock(int fd, int operation)');
  const descriptor = openSync(path, 'a', 0o600);
  if (flock(descriptor, LOCK_EX | LOCK_NB) === 0) return { release: () => closeSync(descriptor) };
  closeSync(descriptor);
  return undefined;
}
