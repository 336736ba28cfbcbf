import { resolve } from 'node:path';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { writeBackup } from '../../storage/backup/write-backup.ts';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import {
  type FilesystemDriver,
  openFilesystemDriver,
} from '../../storage/blobs/filesystem/filesystem-driver.ts';
import { loadConfig } from '../config/config.ts';
import { sqliteFile } from '../open-storage.ts';
import { type BackupMark, CATALOG_ALONE, readMark, WITH_CONTENT, writeMark } from './backup-mark.ts';
import { byteCount } from './byte-count.ts';
import { copyToFile } from './catalog-copies.ts';
import { count } from './count.ts';
import { describeUncopied } from './describe-uncopied.ts';
import { interruption } from './interruption.ts';
import { isRefusal } from './is-refusal.ts';
import { isWithin } from './is-within.ts';
import { namesIn } from './names-in.ts';
import { parseOptions } from './parse-options.ts';
import { Progress } from './progress.ts';
import { STORAGE_OPTIONS } from './storage-options.ts';
import { openStoredRegistry } from './stored-registry.ts';
import { takeFolder } from './take-folder.ts';

/**
 * `berth backup`: brings a backup up to date, beside a running server or without one. Exit code 0 when it is whole,
 * 1 when something in the registry is lost or damaged, or it was interrupted.
 */
export async function backup(args: readonly string[]): Promise<number> {
  const { to, content, ...flags } = parseOptions(args, {
    to: { type: 'string' },
    content: { type: 'boolean' },
    ...STORAGE_OPTIONS,
  });
  if (to === undefined) throw new ConfigError('where the backup is was not said: give --to FOLDER');
  const config = loadConfig({ flags, env: process.env, isRoot: process.getuid?.() === 0 });
  const folder = resolve(to);
  if (isWithin(folder, config.data)) {
    throw new ConfigError(
      `the backup ${folder} must not be in the data folder itself: choose another with --to`,
    );
  }
  // What is in a bucket is kept there by other means, unless it is asked for.
  const mark = config.storage === undefined || content === true ? WITH_CONTENT : CATALOG_ALONE;
  await refuseOther(folder, mark);
  await using registry = await openStoredRegistry(config);
  await using opened = new AsyncDisposableStack();
  const lock = takeFolder(folder);
  opened.defer(() => lock.release());
  const signal = interruption();
  const progress = new Progress();
  try {
    await writeMark(folder, mark);
    const report = await writeBackup({
      catalog: registry.catalog,
      copyCatalog: (file) => copyToFile(config, registry.database, file),
      catalogFile: sqliteFile({ data: folder }),
      content:
        mark === WITH_CONTENT
          ? { from: registry.blobs, to: new BlobStore(await openDriver(folder, opened)) }
          : undefined,
      signal,
      onProgress: ({ blobs, bytes }) => progress.show(`${count(blobs, 'blob')} copied (${byteCount(bytes)})`),
    });
    progress.clear();
    for (const lost of report.lost) process.stdout.write(`${describeUncopied(lost)}\n`);
    const { blobs, bytes, deleted } = report;
    process.stdout.write(
      `backup in ${folder}: ${count(blobs, 'blob')} copied (${byteCount(bytes)}), ${deleted} deleted` +
        `${report.lost.length === 0 ? '' : `; ${count(report.lost.length, 'damaged blob')}: see above`}\n`,
    );
    return report.lost.length === 0 ? 0 : 1;
  } catch (error) {
    progress.clear();
    if (!signal.aborted && !isRefusal(error)) throw error;
    const why = signal.aborted ? 'interrupted' : (error as Error).message;
    process.stderr.write(
      `berth: ${why}: the backup is what it was before; run the same command again to go on\n`,
    );
    return 1;
  }
}

/** Alone in the folder, so that many small blobs need not wait for the device one by one. */
async function openDriver(folder: string, opened: AsyncDisposableStack): Promise<FilesystemDriver> {
  const driver = await openFilesystemDriver(folder, { journal: true });
  opened.defer(() => driver.close());
  return driver;
}

/** A backup replaces what is there, which must not be a registry's, nor a backup of the other kind. */
async function refuseOther(folder: string, mark: BackupMark): Promise<void> {
  if ((await namesIn(folder)).length === 0) return;
  const found = await readMark(folder);
  if (found === mark) return;
  throw new ConfigError(
    found === undefined
      ? `${folder} is neither empty nor a backup: choose another folder with --to`
      : `the backup in ${folder} was made ${found === WITH_CONTENT ? 'with' : 'without'} content: choose another folder with --to`,
  );
}
