import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Paths of all that lies in a folder, relative to it and sorted. Symlinks are not followed, as readdir's `recursive` does. */
export async function listTree(directory: string): Promise<readonly string[]> {
  const paths: string[] = [];
  const visit = async (folder: string) => {
    for (const name of await readdir(join(directory, folder))) {
      const path = join(folder, name);
      paths.push(path);
      if ((await lstat(join(directory, path))).isDirectory()) await visit(path);
    }
  };
  await visit('');
  return paths.sort();
}
