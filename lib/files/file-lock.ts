import { DatabaseSync } from 'node:sqlite';
import { makePrivateFileSync } from './private-file.ts';

export interface FileLock {
  release(): void;
}

const SQLITE_BUSY = 5;

/**
 * Takes a file, which is made when it is not there, for this process alone or together with others that share it;
 * undefined when others keep it from that. The system lets go of the lock when the process ends, however it ends:
 * Node has no flock(2), and SQLite's lock on a file has exactly this promise on every system. Throws the system's
 * error when the file cannot be written to.
 */
export function lockFile(file: string, use: 'alone' | 'shared'): FileLock | undefined {
  makePrivateFileSync(file);
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    // Whoever has begun to read keeps others from taking it for themselves.
    database.exec(use === 'alone' ? 'BEGIN EXCLUSIVE' : 'BEGIN; SELECT count(*) FROM sqlite_schema');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}
