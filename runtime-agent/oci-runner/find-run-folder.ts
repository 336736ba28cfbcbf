import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Returns the folder for files of runs: `runDirectory`, which is in memory. Older agents had it in the data folder, so containers that one
 * of them has started are found there, until a start after which none of these is left.
 */
export async function findRunFolder(dataDirectory: string, runDirectory: string): Promise<string> {
  const older = await readdir(join(dataDirectory, 'runtime')).catch(unlessMissing);
  return older.length > 0 ? dataDirectory : runDirectory;
}

function unlessMissing(error: NodeJS.ErrnoException): readonly string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
