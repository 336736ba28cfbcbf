import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../device.ts';
import { JOURNAL } from '../layout.ts';
import { readJournal } from './journal-file.ts';
import { FilePlacer } from './small-files.ts';
import { openFilesystemSync } from './sync-filesystem.ts';

/**
 * Restores the small blobs whose files a power cut may have taken, and empties the journals. It also restores blobs
 * that were deleted meanwhile, as unreferenced files. It rewrites existing files in place: the kernel may show content
 * that the device failed to store. No other process may commit to the folder meanwhile.
 */
export async function replayJournals(root: string): Promise<void> {
  const paths = await journalPaths(root);
  const placer = new FilePlacer(root);
  let found = false;
  for (const path of paths) {
    for (const record of await readJournal(path)) {
      await placer.restore(record);
      found = true;
    }
  }
  if (!found) return;
  const filesystem = openFilesystemSync(root);
  if (filesystem === undefined)
    throw new Error(`${join(root, JOURNAL)} is not of this system: it has no syncfs(2)`);
  try {
    await filesystem.sync();
  } finally {
    filesystem.close();
  }
  for (const path of paths) await forget(path);
}

/** Reports whether a journal has records that may have to be restored. */
export async function hasJournalRecords(root: string): Promise<boolean> {
  for (const path of await journalPaths(root)) if ((await readJournal(path)).length > 0) return true;
  return false;
}

async function journalPaths(root: string): Promise<readonly string[]> {
  try {
    return (await readdir(join(root, JOURNAL))).map((name) => join(root, JOURNAL, name));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function forget(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.write(Buffer.alloc(8), 0, 8, 0);
  } finally {
    await handle.close();
  }
}
