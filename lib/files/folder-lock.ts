import { join } from 'node:path';
import { type FileLock, lockFile } from '../linux/file-lock.ts';
import { makeFolder } from './make-folder.ts';

/** Another process is using the folder. */
export class FolderInUseError extends Error {
  constructor(folder: string) {
    super(`${folder} is in use by another process`);
    this.name = 'FolderInUseError';
  }
}

export type FolderLock = FileLock;

/**
 * Locks a folder for this process alone, or shared with others, until the process ends. Creates the folder (mode 0700)
 * if it is missing. Throws FolderInUseError, and the system's error when the folder cannot be written to.
 */
export function lockFolder(folder: string, use: 'alone' | 'shared' = 'alone'): FolderLock {
  makeFolder(folder);
  const lock = lockFile(join(folder, 'lock'), use);
  if (lock === undefined) throw new FolderInUseError(folder);
  return lock;
}

/**
 * Takes a folder for this process alone, which only reads it, as lockFolder does. Where nothing can be written it takes the
 * lock by a file that is there, and none when there is no such file. Throws FolderInUseError, and the system's error.
 */
export function lockFolderToRead(folder: string): FolderLock {
  try {
    return lockFolder(folder);
  } catch (error) {
    if (!['EROFS', 'EACCES', 'EPERM'].includes(codeOf(error))) throw error;
  }
  try {
    const lock = lockFile(join(folder, 'lock'), 'alone', 'to read');
    if (lock === undefined) throw new FolderInUseError(folder);
    return lock;
  } catch (error) {
    if (!['ENOENT', 'EACCES'].includes(codeOf(error))) throw error;
    return { release: () => undefined };
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
