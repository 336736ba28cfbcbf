import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import koffi from 'koffi';
import { callInThread } from './mount-library.ts';

type SyncFs = Parameters<typeof callInThread<[fd: number]>>[1];

let syncfs: SyncFs | undefined;

/**
 * Makes durable what was written to the file system of a folder before the call: content and names. In threads of the pool. Throws
 * SystemCallError, also for earlier writes that failed.
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
