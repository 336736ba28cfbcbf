import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder and its missing parents with `mode`; does nothing when the folder exists. Node's own recursive mkdir
 * never returns on file systems, such as /proc, that answer ENOENT although the parent exists. Throws the system's
 * error: ENOTDIR if a file is in the way, ENOENT if folders cannot be made or a link is dangling.
 */
export function makeFolder(path: string, mode = 0o700): void {
  if (tryMake(path, mode) === 'there') return;
  if (dirname(path) !== path) makeFolder(dirname(path), mode);
  mkdirSync(path, { mode });
}

function tryMake(path: string, mode: number): 'there' | 'no parent' {
  try {
    mkdirSync(path, { mode });
    return 'there';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'no parent';
    // An existing folder can also fail with EROFS or EACCES.
    const found = statSync(path, { throwIfNoEntry: code === 'EEXIST' });
    if (found === undefined) throw error;
    if (found.isDirectory()) return 'there';
    throw Object.assign(new Error(`ENOTDIR: not a directory, mkdir '${path}'`), {
      code: 'ENOTDIR',
      syscall: 'mkdir',
      path,
    });
  }
}
