import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

const SNAPSHOT = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z\.jsonl$/;

/** Where the snapshots of names lie in a data folder. */
export function namesFolder(data: string): string {
  return join(data, 'names');
}

/** The file of a snapshot that was taken at `time`; names sort by time. */
export function snapshotName(time: Date): string {
  return `${time.toISOString().replaceAll(':', '-')}.jsonl`;
}

/** The snapshots in a folder, the latest first; none when there is no folder. */
export async function listSnapshots(folder: string): Promise<readonly string[]> {
  try {
    const names = await readdir(folder);
    return names
      .filter((name) => SNAPSHOT.test(name))
      .sort()
      .reverse();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
