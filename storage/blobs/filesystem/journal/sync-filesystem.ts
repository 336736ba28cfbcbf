import { open } from 'node:fs/promises';
import koffi from 'koffi';

/**
 * A function that makes everything durable that was written to the file system of a folder before the call: content,
 * names and all, syncfs(2), off this thread. Undefined where the system has no such call.
 */
export function filesystemSync(folder: string): (() => Promise<void>) | undefined {
  if (process.platform !== 'linux') return undefined;
  const syncfs = koffi.load(null).func('int syncfs(int fd)');
  return async () => {
    const handle = await open(folder, 'r');
    try {
      await new Promise<void>((resolve, reject) => {
        syncfs.async(handle.fd, (error: Error | null, result: number) => {
          if (error !== null || result !== 0) reject(error ?? failure(folder));
          else resolve();
        });
      });
    } finally {
      await handle.close();
    }
  };
}

function failure(folder: string): Error {
  return new Error(`the file system of ${folder} could not be synced`);
}
