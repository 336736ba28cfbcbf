import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredBlob } from '../blob-driver.ts';
import { isMissing } from './device-errors.ts';
import { BLOBS, digestAtLocation } from './layout.ts';

/** Every blob under a driver's root, in no order. What does not look like a blob is passed over. */
export async function* listBlobFiles(
  root: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredBlob, void, undefined> {
  for (const algorithm of await folderNames(root, BLOBS)) {
    for (const prefix of await folderNames(root, `${BLOBS}/${algorithm}`)) {
      const folder = `${BLOBS}/${algorithm}/${prefix}`;
      for await (const entry of await opendir(join(root, folder))) {
        signal?.throwIfAborted();
        const location = `${folder}/${entry.name}`;
        const digest = digestAtLocation(location);
        if (digest === undefined || !entry.isFile()) continue;
        const size = await sizeOf(join(root, location));
        if (size !== undefined) yield { digest, size, location };
      }
    }
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
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
