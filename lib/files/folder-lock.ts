import { join } from 'node:path';
import { type FileLock, lockFile } from '../linux/file-lock.ts';
import { makeFolder } from './make-folder.ts';

/** Another process works in the folder. */
export class FolderInUseError extends Error {
  constructor(folder: string) {
    super(`${folder} is in use by another process`);
    this.name = 'FolderInUseError';
  }
}

export type FolderLock = FileLock;

/**
 * Takes a folder for this process alone, or together with others that share it, until the process ends. The folder
 * is made (mode 0700) when it is not there. Throws FolderInUseError, and the system's error when the folder cannot
 * be written to.
 */
export function lockFolder(folder: string, use: 'alone' | 'shared' = 'alone'): FolderLock {
  makeFolder(folder);
  const lock = lockFile(join(folder, 'lock'), use);
  if (lock === undefined) throw new FolderInUseError(folder);
  return lock;
}
