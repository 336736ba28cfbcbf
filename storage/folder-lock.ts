import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Another process works in the folder. */
export class FolderInUseError extends Error {
  constructor(folder: string) {
    super(`${folder} is in use by another process`);
    this.name = 'FolderInUseError';
  }
}

export interface FolderLock {
  release(): void;
}

const SQLITE_BUSY = 5;

/**
 * Takes a folder for this process alone, or together with others that share it, and makes it (mode 0700) when it is not there. The system lets go of the lock when the process ends,
 * however it ends: Node has no flock(2), and SQLite's lock on a file has exactly this promise on every system.
 * Throws FolderInUseError, and the system's error when the folder cannot be written to.
 */
export function lockFolder(folder: string, use: 'alone' | 'shared' = 'alone'): FolderLock {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, 'lock');
  closeSync(openSync(file, 'a', 0o600));
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    // Whoever has begun to read keeps others from taking it for themselves.
    database.exec(use === 'alone' ? 'BEGIN EXCLUSIVE' : 'BEGIN; SELECT count(*) FROM sqlite_schema');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) throw new FolderInUseError(folder);
    throw error;
  }
  return { release: () => database.close() };
}
