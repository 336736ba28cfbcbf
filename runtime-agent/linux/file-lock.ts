import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';

const LOCK_EX = 2;
const LOCK_NB = 4;

export interface FileLock {
  release(): void;
}

/**
 * Takes the lock of a file, which is made where it is missing, until it is released or this process ends (flock(2)); the
 * kernel lets go of it however the process ends. Undefined when somebody else has it. Throws Error with `code` when
 * the file cannot be opened.
 */
export function lockFile(path: string): FileLock | undefined {
  const flock = koffi.load(null).func('int flock(int fd, int operation)');
  const descriptor = openSync(path, 'a', 0o600);
  if (flock(descriptor, LOCK_EX | LOCK_NB) === 0) return { release: () => closeSync(descriptor) };
  closeSync(descriptor);
  return undefined;
}
