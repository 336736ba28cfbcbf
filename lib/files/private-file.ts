import { closeSync, type OpenMode, openSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** Of every file that is made: its owner alone may read and write it. */
const PRIVATE_MODE = 0o600;
/** Bytes that are copied at a time. */
const COPY_SIZE = 1024 * 1024;

/**
 * Opens a file; one that it makes has mode 0600 from its first byte, whatever the umask. All files of the programs are made
 * by this module, so that none that holds a secret is ever wider.
 */
export function openPrivateFile(path: string, flags: OpenMode): Promise<FileHandle> {
  return open(path, flags, PRIVATE_MODE);
}

/** Makes an empty file where there is none. */
export async function makePrivateFile(path: string): Promise<void> {
  await (await openPrivateFile(path, 'a')).close();
}

/** As makePrivateFile, at once. */
export function makePrivateFileSync(path: string): void {
  closeSync(openSync(path, 'a', PRIVATE_MODE));
}

/** Writes a whole file. One that was there keeps its mode. */
export async function writePrivateFile(path: string, content: string | Uint8Array): Promise<void> {
  await using file = await openPrivateFile(path, 'w');
  await file.writeFile(content);
}

/** Copies a file under a name that is free, whatever the mode of the original. */
export async function copyPrivateFile(from: string, to: string): Promise<void> {
  await using source = await open(from, 'r');
  await using target = await openPrivateFile(to, 'wx');
  const buffer = Buffer.allocUnsafe(COPY_SIZE);
  for (;;) {
    const { bytesRead } = await source.read(buffer, 0, buffer.length);
    if (bytesRead === 0) return;
    await target.writeFile(buffer.subarray(0, bytesRead));
  }
}
