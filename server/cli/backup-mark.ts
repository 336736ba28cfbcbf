import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writePrivateFile } from '../../lib/files/private-file.ts';

/** A file that only backups have, and that says of what they are. */
const MARK = 'BACKUP';

export const WITH_CONTENT = 'A backup of a registry, made by "berth backup": catalog and content.\n';
export const CATALOG_ALONE =
  'A backup of a registry, made by "berth backup": the catalog, without content.\n';

export type BackupMark = typeof WITH_CONTENT | typeof CATALOG_ALONE;

export function writeMark(folder: string, mark: BackupMark): Promise<void> {
  return writePrivateFile(join(folder, MARK), mark);
}

/** Undefined when the folder is no backup. */
export async function readMark(folder: string): Promise<BackupMark | undefined> {
  try {
    const text = await readFile(join(folder, MARK), 'utf8');
    return [WITH_CONTENT, CATALOG_ALONE].find((mark): mark is BackupMark => mark === text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
