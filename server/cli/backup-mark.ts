import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writePrivateFile } from '../../lib/files/private-file.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import type { UncopiedBlob } from '../../storage/backup/copy-content.ts';

/** A file that only backups have; it states their kind. */
const MARK = 'BACKUP';

export const WITH_CONTENT = 'A backup of a registry, made by "berth backup": catalog and content.\n';
export const CATALOG_ALONE =
  'A backup of a registry, made by "berth backup": the catalog, without content.\n';

export type BackupMark = typeof WITH_CONTENT | typeof CATALOG_ALONE;

export function writeMark(folder: string, mark: BackupMark): Promise<void> {
  return writePrivateFile(join(folder, MARK), mark);
}

/** Returns undefined when the folder is not a backup. */
export async function readMark(folder: string): Promise<BackupMark | undefined> {
  try {
    const text = await readFile(join(folder, MARK), 'utf8');
    return [WITH_CONTENT, CATALOG_ALONE].find((mark): mark is BackupMark => mark === text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Lists the names in a folder; none when it does not exist. Throws ConfigError. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    throw new ConfigError(`${folder} cannot be read (${code})`, { cause });
  }
}

/** One line about a blob that could not be copied. */
export function describeUncopied({ blob, isMissing, message }: UncopiedBlob): string {
  return isMissing ? `lost: ${blob.digest}: its file is missing` : `damaged: ${blob.digest}: ${message}`;
}

/** Returns what JSON tells of a blob that was not copied. */
export function viewOfUncopied({ blob, isMissing, message }: UncopiedBlob) {
  return { digest: blob.digest, problem: isMissing ? 'missing' : 'damaged', message };
}
