import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { writeCatalogFile } from '../../storage/backup/catalog-file.ts';
import { writeBackup } from '../../storage/backup/write-backup.ts';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../storage/blobs/filesystem/filesystem-driver.ts';
import { LeaseLostError, StorageFullError } from '../../storage/errors.ts';
import { ConfigError, loadConfig } from '../config.ts';
import { sqliteFile } from '../open-storage.ts';
import { byteCount } from './byte-count.ts';
import { describeUncopied } from './describe-uncopied.ts';
import { interruption } from './interruption.ts';
import { namesIn } from './names-in.ts';
import { parseOptions } from './parse-options.ts';
import { Progress } from './progress.ts';
import { STORAGE_OPTIONS } from './storage-options.ts';
import { openStoredRegistry } from './stored-registry.ts';
import { takeFolder } from './take-folder.ts';

/** A file that only backups have. */
const MARK = 'BACKUP';

/**
 * `berth backup`: brings a backup up to date, beside a running server or without one. Exit code 0 when it is whole,
 * 1 when something in the registry is lost or damaged, or it was interrupted.
 */
export async function backup(args: readonly string[]): Promise<number> {
  const { to, ...flags } = parseOptions(args, {
    to: { type: 'string' },
    ...STORAGE_OPTIONS,
  });
  if (to === undefined) throw new ConfigError('where the backup is was not said: give --to FOLDER');
  const config = loadConfig({ flags, env: process.env, isRoot: process.getuid?.() === 0 });
  const folder = resolve(to);
  if (`${folder}/`.startsWith(`${config.data}/`)) {
    throw new ConfigError(
      `the backup ${folder} must not be in the data folder itself: choose another with --to`,
    );
  }
  await refuseOther(folder);
  await using registry = await openStoredRegistry(config);
  const lock = takeFolder(folder);
  const signal = interruption();
  const progress = new Progress();
  try {
    await writeFile(join(folder, MARK), 'A backup of a registry, made by "berth backup".\n');
    const report = await writeBackup({
      catalog: registry.catalog,
      copyCatalog: (file) => writeCatalogFile(registry.database, file),
      blobs: registry.blobs,
      target: {
        blobs: new BlobStore(await openFilesystemDriver(folder)),
        catalogFile: sqliteFile({ data: folder }),
      },
      signal,
      onProgress: ({ blobs, bytes }) => progress.show(`${blobs} blobs copied (${byteCount(bytes)})`),
    });
    progress.clear();
    for (const lost of report.lost) process.stdout.write(`${describeUncopied(lost)}\n`);
    const { blobs, bytes, deleted } = report;
    process.stdout.write(
      `backup in ${folder}: ${blobs} blobs copied (${byteCount(bytes)}), ${deleted} deleted` +
        `${report.lost.length === 0 ? '' : `; ${report.lost.length} blobs are damaged, which are told above`}\n`,
    );
    return report.lost.length === 0 ? 0 : 1;
  } catch (error) {
    progress.clear();
    const isKnown = error instanceof LeaseLostError || error instanceof StorageFullError;
    if (!signal.aborted && !isKnown) throw error;
    const why = signal.aborted ? 'interrupted' : (error as Error).message;
    process.stderr.write(
      `berth: ${why}: the backup is what it was before; run the same command again to go on\n`,
    );
    return 1;
  } finally {
    lock.release();
  }
}

/** A backup replaces what is there, which must not be a registry's. */
async function refuseOther(folder: string): Promise<void> {
  const names = await namesIn(folder);
  if (names.length > 0 && !names.includes(MARK)) {
    throw new ConfigError(`${folder} is neither empty nor a backup: choose another folder with --to`);
  }
}
