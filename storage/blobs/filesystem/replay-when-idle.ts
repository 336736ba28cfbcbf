import { FolderInUseError, type FolderLock, lockFolder } from '../../../lib/files/folder-lock.ts';
import { openFilesystemDriver } from './filesystem-driver.ts';
import { hasJournalRecords } from './journal/replay-journals.ts';

/**
 * Brings back the small blobs that a power cut may have taken from a driver's folder, for whoever looks into the folder
 * while no registry runs on it: one that runs has done so when it started. Throws StorageFullError.
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
