import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it that are missing, with `mode`; no error when it is there. Node's own recursive
 * mkdir never returns where a file system, such as /proc, says ENOENT for good. Throws Error with `code`.
 */
export async function makeFolder(path: string, mode: number): Promise<void> {
  if ((await tryMake(path, mode)) === 'made') return;
  if (dirname(path) !== path) await makeFolder(dirname(path), mode);
  await mkdir(path, { mode });
}

async function tryMake(path: string, mode: number): Promise<'made' | 'no-parent'> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'no-parent';
    // What is there may be a file: whoever uses the folder will say so.
    if (code !== 'EEXIST') throw error;
  }
  return 'made';
}
