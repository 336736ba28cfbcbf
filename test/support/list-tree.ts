import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** Paths of all that lies in a folder, relative to it and sorted; symlinks are not followed. */
export async function listTree(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.map((entry) => relative(directory, join(entry.parentPath, entry.name))).sort();
}
