import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes the lock of a file, which is made where it is missing, for as long as this process lives (flock(2)); the
 * kernel lets go of it however the process ends. False when another process has it. Throws Error with `code` when
 * the file cannot be opened.
 */
export function lockFile(path: string): boolean {
  const flock = koffi.load(null).func('int flock(int fd, int operation)');
  const descriptor = openSync(path, 'a', 0o600);
  if (flock(descriptor, LOCK_EX | LOCK_NB) === 0) return true;
  closeSync(descriptor);
  return false;
}
