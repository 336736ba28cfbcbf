import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../../oci/digest.ts';
import type { StoredFile } from '../blob-driver.ts';
import { isMissing } from './device-errors.ts';
import { BLOBS, blobFolder, nameAtLocation } from './layout.ts';

/** Every blob under a driver's root, in no order. What does not look like a blob is passed over. */
export async function* listBlobFiles(
  root: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredFile, void, undefined> {
  for (const algorithm of await folderNames(root, BLOBS)) {
    for (const prefix of await folderNames(root, `${BLOBS}/${algorithm}`)) {
      yield* filesIn(root, `${BLOBS}/${algorithm}/${prefix}`, signal);
    }
  }
}

/** Every copy of one blob. */
export async function findBlobFiles(root: string, digest: Digest): Promise<readonly StoredFile[]> {
  const found: StoredFile[] = [];
  try {
    for await (const file of filesIn(root, blobFolder(digest), undefined, digest)) found.push(file);
  } catch (error) {
    // The folder is made by the first blob in it.
    if (!isMissing(error)) throw error;
  }
  return found;
}

async function* filesIn(
  root: string,
  folder: string,
  signal: AbortSignal | undefined,
  wanted?: Digest,
): AsyncGenerator<StoredFile, void, undefined> {
  for await (const entry of await opendir(join(root, folder))) {
    signal?.throwIfAborted();
    const location = `${folder}/${entry.name}`;
    const name = nameAtLocation(location);
    if (name === undefined || (wanted !== undefined && name.digest !== wanted) || !entry.isFile()) continue;
    const status = await statusOf(join(root, location));
    if (status !== undefined) yield { ...name, ...status, location };
  }
}

async function folderNames(root: string, folder: string): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const entry of await opendir(join(root, folder))) {
    if (entry.isDirectory()) names.push(entry.name);
  }
  return names;
}

/** Undefined when the blob was deleted since its folder was read. */
async function statusOf(path: string): Promise<Pick<StoredFile, 'size' | 'storedAt'> | undefined> {
  try {
    const { size, ctime } = await stat(path);
    // A rename sets ctime and keeps mtime.
    return { size, storedAt: ctime };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
