import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** Flags that open a file for reading without waiting, as a FIFO without a writer would have it. */
export const READ_AT_ONCE = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Opens a regular file for reading; follows symbolic links. Never waits. Throws Error with the code ENOTREG for a FIFO, a
 * folder, a socket or a device, and the system's error.
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  const file = await open(path, READ_AT_ONCE);
  try {
    if ((await file.stat()).isFile()) return file;
    throw Object.assign(new Error(`${path} is not a regular file`), { code: 'ENOTREG', syscall: 'open' });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Reads a regular file of UTF-8 text. Throws as openRegularFile. */
export async function readRegularFile(path: string): Promise<string> {
  await using file = await openRegularFile(path);
  return await file.readFile('utf8');
}
