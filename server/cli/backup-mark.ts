import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writePrivateFile } from '../../lib/files/private-file.ts';
import { readRegularFile } from '../../lib/files/regular-file.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import type { UncopiedBlob } from '../../storage/backup/copy-content.ts';
import { sqliteFile } from '../open-storage.ts';

/** A file that only backups have; it states their kind. */
const MARK = 'BACKUP';

export const WITH_CONTENT = 'A backup of a registry, made by "berth backup": catalog and content.\n';
export const CATALOG_ALONE =
  'A backup of a registry, made by "berth backup": the catalog, without content.\n';

export type BackupMark = typeof WITH_CONTENT | typeof CATALOG_ALONE;

export function writeMark(folder: string, mark: BackupMark): Promise<void> {
  return writePrivateFile(join(folder, MARK), mark);
}

/** Returns undefined when the folder is not a backup. Throws ConfigError. */
export async function readMark(folder: string): Promise<BackupMark | undefined> {
  try {
    const text = await readRegularFile(join(folder, MARK));
    return [WITH_CONTENT, CATALOG_ALONE].find((mark): mark is BackupMark => mark === text);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (['ENOENT', 'ENOTDIR', 'ENOTREG'].includes(code ?? '')) return undefined;
    throw new ConfigError(`${join(folder, MARK)} cannot be read (${code})`, { cause });
  }
}

/** Returns the kind of a complete backup. Throws ConfigError when the folder is none. */
export async function expectBackup(folder: string): Promise<BackupMark> {
  const mark = await readMark(folder);
  const catalog = await lstat(sqliteFile({ data: folder })).catch(() => undefined);
  if (mark !== undefined && catalog?.isFile()) return mark;
  throw new ConfigError(`${folder} is not a complete backup of "berth backup"`);
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

/** Describes a blob that could not be copied, in one line. */
export function describeUncopied({ blob, isMissing, message }: UncopiedBlob): string {
  return isMissing ? `lost: ${blob.digest}: its file is missing` : `damaged: ${blob.digest}: ${message}`;
}

/** Returns the JSON form of a blob that was not copied. */
export function viewOfUncopied({ blob, isMissing, message }: UncopiedBlob) {
  return { digest: blob.digest, problem: isMissing ? 'missing' : 'damaged', message };
}
