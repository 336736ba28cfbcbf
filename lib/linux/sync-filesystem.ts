import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import koffi from 'koffi';
import { callInThread } from './mount-library.ts';

type SyncFs = Parameters<typeof callInThread<[fd: number]>>[1];

let syncfs: SyncFs | undefined;

/**
 * Syncs the file system of a folder: everything written before the call, content and names, is then durable. Runs in
 * the thread pool. Throws SystemCallError, also for earlier writes that failed.
 */
export async function syncFilesystem(folder: string): Promise<void> {
  const opened = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    syncfs ??= koffi.load(null).func('int syncfs(int fd)') as SyncFs;
    await callInThread(`the file system of ${folder} cannot be synced`, syncfs, opened.fd);
  } finally {
    await opened.close();
  }
}
