import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { copyPrivateFile } from '../../lib/files/private-file.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { readBackup } from '../../storage/backup/read-backup.ts';
import type { ContentEnds } from '../../storage/backup/write-backup.ts';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../storage/blobs/filesystem/filesystem-driver.ts';
import { takeFolder } from '../on-folder.ts';
import { openBlobDriver, type StorageConfig, sqliteFile } from '../open-storage.ts';
import {
  CATALOG_ALONE,
  describeUncopied,
  expectBackup,
  namesIn,
  viewOfUncopied,
  WITH_CONTENT,
} from './backup-mark.ts';
import { copyFromFile, fileToFill, refuseUsedDatabase } from './catalog-copies.ts';
import { interruption, isRefusal } from './interruption.ts';
import { parseOptions, STORAGE_OPTIONS } from './parse-options.ts';
import { tellLine } from './printable.ts';
import { byteCount, count, Progress } from './progress.ts';
import { FORMAT_OPTION, parseFormat, printOne } from './remote/table.ts';
import { loadStoredConfig } from './stored-config.ts';

/**
 * `berth restore`: fills an empty data folder from a backup. Exit code 0 when everything is restored, 1 when content of
 * the backup is lost or damaged, or it was interrupted.
 */
export async function restore(args: readonly string[]): Promise<number> {
  const {
    from,
    format: wanted,
    ...flags
  } = parseOptions(args, {
    from: { type: 'string' },
    ...FORMAT_OPTION,
    ...STORAGE_OPTIONS,
  });
  const format = parseFormat(wanted);
  if (from === undefined) throw new ConfigError('the folder of the backup is missing: give --from FOLDER');
  const config = loadStoredConfig(flags);
  const folder = resolve(from);
  const mark = await expectBackup(folder);
  if (mark === CATALOG_ALONE && config.storage === undefined) {
    throw new ConfigError(`the backup in ${folder} has no content: give its location with --storage`);
  }
  if ((await namesIn(config.data)).length > 0) {
    throw new ConfigError(
      `the data folder ${config.data} is not empty: choose a new one, or delete it first`,
    );
  }
  await refuseUsedDatabase(config);
  await using opened = new AsyncDisposableStack();
  for (const used of [folder, config.data]) {
    const lock = takeFolder(used);
    opened.defer(() => lock.release());
  }
  const signal = interruption();
  const progress = new Progress();
  const catalogFile = fileToFill(config);
  try {
    const { lost, blobs, bytes } = await readBackup({
      copyCatalog: (file) => copyPrivateFile(sqliteFile({ data: folder }), file),
      catalogFile,
      content: mark === WITH_CONTENT ? await contentEnds(folder, config, opened) : undefined,
      signal,
      onProgress: (report) =>
        progress.show(`${count(report.blobs, 'blob')} copied`, {
          done: report.bytes,
          total: report.totalBytes,
          unit: 'bytes',
        }),
    });
    if (config.database !== undefined) {
      await copyFromFile(config, catalogFile);
      await rm(catalogFile);
    }
    progress.clear();
    printOne(format, { folder: config.data, blobs, bytes, lost: lost.map(viewOfUncopied) }, () => [
      ...lost.map(describeUncopied),
      `restored into ${config.data}: ${count(blobs, 'blob')} (${byteCount(bytes)})`,
      ...(lost.length === 0
        ? []
        : [`${count(lost.length, 'blob')} lost, see above: "berth fsck" shows which images need them`]),
    ]);
    return lost.length === 0 ? 0 : 1;
  } catch (error) {
    progress.clear();
    if (!signal.aborted && !isRefusal(error)) throw error;
    const why = signal.aborted ? 'interrupted' : (error as Error).message;
    tellLine(`berth: ${why}: delete ${config.data} and start again`);
    return 1;
  }
}

async function contentEnds(
  folder: string,
  config: StorageConfig,
  opened: AsyncDisposableStack,
): Promise<ContentEnds> {
  const target = await openBlobDriver(config, 'alone');
  opened.defer(() => target.close());
  const to = new BlobStore(target);
  for await (const _ of to.list()) {
    throw new ConfigError('the storage already has content: choose another bucket or prefix with --storage');
  }
  const source = await openFilesystemDriver(folder, { journal: true });
  opened.defer(() => source.close());
  return { from: new BlobStore(source), to };
}
