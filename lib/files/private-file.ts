import { closeSync, type OpenMode, openSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { openRegularFile } from './regular-file.ts';

/** Mode of every new file: only its owner may read and write it. */
const PRIVATE_MODE = 0o600;
/** Size of the copy buffer, bytes. */
const COPY_SIZE = 1024 * 1024;

/**
 * Opens a file. A file that it creates has mode 0600 from its first byte, whatever the umask. Both programs create all
 * their files with this module, so no file with a secret ever has a wider mode.
 */
export function openPrivateFile(path: string, flags: OpenMode): Promise<FileHandle> {
  return open(path, flags, PRIVATE_MODE);
}

/** Creates an empty file unless the file exists. */
export async function makePrivateFile(path: string): Promise<void> {
  await (await openPrivateFile(path, 'a')).close();
}

/** The synchronous makePrivateFile. */
export function makePrivateFileSync(path: string): void {
  closeSync(openSync(path, 'a', PRIVATE_MODE));
}

/** Writes a whole file. An existing file keeps its mode. */
export async function writePrivateFile(path: string, content: string | Uint8Array): Promise<void> {
  await using file = await openPrivateFile(path, 'w');
  await file.writeFile(content);
}

/** Copies a file to a new path. The copy is private, whatever the mode of the original. Throws as openRegularFile, and the signal's reason. */
export async function copyPrivateFile(from: string, to: string, signal?: AbortSignal): Promise<void> {
  await using source = await openRegularFile(from);
  await using target = await openPrivateFile(to, 'wx');
  const buffer = Buffer.allocUnsafe(COPY_SIZE);
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await source.read(buffer, 0, buffer.length);
    if (bytesRead === 0) return;
    await target.writeFile(buffer.subarray(0, bytesRead));
  }
}
