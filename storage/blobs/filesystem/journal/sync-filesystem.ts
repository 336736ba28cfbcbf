import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';

/** syncfs(2) of one file system, off this thread. */
export interface FilesystemSync {
  /** Makes durable everything written to the file system before the call: content and names. Throws when it fails. */
  sync(): Promise<void>;
  close(): void;
}

/**
 * Opens a folder to sync its file system; it is held open, so that a sync needs no new descriptor. Undefined where the
 * system has no such call. Throws the system's error.
 */
export function openFilesystemSync(folder: string): FilesystemSync | undefined {
  if (process.platform !== 'linux') return undefined;
  const syncfs = koffi.load(null).func('int syncfs(int fd)');
  const descriptor = openSync(folder, 'r');
  return {
    sync: () =>
      new Promise<void>((resolve, reject) => {
        syncfs.async(descriptor, (error: Error | null, result: number) => {
          if (error !== null || result !== 0) reject(error ?? failure(folder));
          else resolve();
        });
      }),
    close: () => closeSync(descriptor),
  };
}

function failure(folder: string): Error {
  return new Error(`the file system of ${folder} could not be synced`);
}
