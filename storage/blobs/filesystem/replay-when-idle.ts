import { FolderInUseError, type FolderLock, lockFolder } from '../../../lib/files/folder-lock.ts';
import { openFilesystemDriver } from './filesystem-driver.ts';
import { hasJournalRecords } from './journal/replay-journals.ts';

/**
 * Restores the small blobs that a power cut may have taken from a driver's folder, for a command that reads the folder
 * while no registry runs on it; a running registry has done this at its start. Throws StorageFullError.
 */
export async function replayWhenIdle(folder: string): Promise<void> {
  if (!(await hasJournalRecords(folder))) return;
  let lock: FolderLock;
  try {
    lock = lockFolder(folder);
  } catch (error) {
    if (error instanceof FolderInUseError) return;
    throw error;
  }
  try {
    await (await openFilesystemDriver(folder, { journal: true })).close();
  } finally {
    lock.release();
  }
}
