import { type BigIntStats, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { copyPrivateFile } from '../../lib/files/private-file.ts';
import { makeScratchFolder } from '../../lib/files/scratch-folder.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { writeBackup } from '../../storage/backup/write-backup.ts';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import {
  type FilesystemDriver,
  openFilesystemDriver,
} from '../../storage/blobs/filesystem/filesystem-driver.ts';
import { loadConfig } from '../config/config.ts';
import { parseDuration } from '../config/duration.ts';
import { onFolder, refusedFolder, takeFolder, takeFolderToRead } from '../on-folder.ts';
import { openBlobDriver, sqliteFile } from '../open-storage.ts';
import {
  type BackupMark,
  CATALOG_ALONE,
  describeUncopied,
  expectBackup,
  namesIn,
  readMark,
  viewOfUncopied,
  WITH_CONTENT,
  writeMark,
} from './backup-mark.ts';
import { copyToFile } from './catalog-copies.ts';
import { verifyStored } from './fsck.ts';
import { interruption, isRefusal } from './interruption.ts';
import { parseOptions, STORAGE_OPTIONS } from './parse-options.ts';
import { printLine, tellLine } from './printable.ts';
import { byteCount, count, Progress } from './progress.ts';
import { FORMAT_OPTION, parseFormat, printOne } from './remote/table.ts';
import { actAsOwner } from './stored-config.ts';
import { openStoredRegistry } from './stored-registry.ts';

/**
 * `berth backup`: updates a backup, whether or not a server is running. Exit code 0 when it is complete, 1 when content
 * of the registry is lost or damaged, or it was interrupted.
 */
export async function backup(args: readonly string[]): Promise<number> {
  if (args[0] === 'verify') return verify(args.slice(1));
  const {
    to,
    content,
    format: wanted,
    ...flags
  } = parseOptions(args, {
    to: { type: 'string' },
    content: { type: 'boolean' },
    ...FORMAT_OPTION,
    ...STORAGE_OPTIONS,
  });
  const format = parseFormat(wanted);
  if (to === undefined) throw new ConfigError('the folder of the backup is missing: give --to FOLDER');
  const config = loadConfig({ flags, env: process.env, isRoot: process.getuid?.() === 0 });
  const folder = resolve(to);
  actAsOwner(folder);
  if (await onFolder(`the data folder ${config.data}`, '', () => isWithin(folder, config.data))) {
    throw new ConfigError(
      `the backup ${folder} must not be in the data folder itself: choose another with --to`,
    );
  }
  // Buckets have their own backups, so their content is copied only on request.
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
      onProgress: ({ blobs, bytes, totalBytes }) =>
        progress.show(`${count(blobs, 'blob')} copied`, { done: bytes, total: totalBytes, unit: 'bytes' }),
    });
    progress.clear();
    const { blobs, bytes, deleted, lost } = report;
    printOne(format, { folder, blobs, bytes, deleted, lost: lost.map(viewOfUncopied) }, () => [
      ...lost.map(describeUncopied),
      `backup in ${folder}: ${count(blobs, 'blob')} copied (${byteCount(bytes)}), ${deleted} deleted` +
        `${lost.length === 0 ? '' : `; ${count(lost.length, 'damaged blob')}: see above`}`,
    ]);
    return lost.length === 0 ? 0 : 1;
  } catch (error) {
    progress.clear();
    if (!signal.aborted && !isRefusal(error)) throw error;
    const why = signal.aborted ? 'interrupted' : (error as Error).message;
    tellLine(`berth: ${why}: the backup is unchanged; run the same command again to continue`);
    return 1;
  }
}

/**
 * `berth backup verify`: reads every byte of a backup, as a restore does, and changes nothing. Exit code 0 when the
 * backup is complete and not older than `--max-age`; otherwise 1.
 */
async function verify(args: readonly string[]): Promise<number> {
  const {
    from,
    'max-age': longest,
    format: wanted,
    ...flags
  } = parseOptions(args, {
    from: { type: 'string' },
    'max-age': { type: 'string' },
    ...FORMAT_OPTION,
    ...STORAGE_OPTIONS,
  });
  if (from === undefined) throw new ConfigError('the folder of the backup is missing: give --from FOLDER');
  const format = parseFormat(wanted);
  const maxAge = longest === undefined ? undefined : parseDuration(longest);
  if (longest !== undefined && maxAge === undefined) {
    throw new ConfigError(`"${longest}" is not a time: give --max-age one such as 26h`);
  }
  const folder = resolve(from);
  const file = sqliteFile({ data: folder });
  const mark = await expectBackup(folder);
  const { storage } = loadConfig({ flags, env: process.env, isRoot: process.getuid?.() === 0 });
  if (mark === CATALOG_ALONE && storage === undefined) {
    throw new ConfigError(`the backup in ${folder} has no content: give its location with --storage`);
  }
  const made = statSync(file).mtime;
  const isOld = maxAge !== undefined && Date.now() - made.getTime() > maxAge;
  tellLine(`the backup in ${folder} was completed at ${made.toISOString()}`);
  if (isOld) tellLine(`berth: the backup is older than ${longest}: check why it was not updated`);
  await using opened = new AsyncDisposableStack();
  actAsOwner(folder);
  const lock = takeFolderToRead(folder);
  opened.defer(() => lock.release());
  const signal = interruption();
  // A version later than the backup's would change its catalog.
  const { path: copy } = opened.use(await makeScratchFolder('berth-verify'));
  try {
    await copyPrivateFile(file, sqliteFile({ data: copy }), signal);
  } catch (error) {
    if (!signal.aborted) throw refusedFolder(copy, '', error) ?? error;
    tellLine('berth: interrupted: nothing was looked at');
    return 1;
  }
  const registry = await openStoredRegistry({ data: copy }).catch((error: Error) => error);
  // Such as a backup of a later version.
  if (registry instanceof ConfigError) throw registry;
  if (registry instanceof Error) {
    printLine(`damaged: the catalog of the backup: ${registry.message}`);
    return 1;
  }
  opened.use(registry);
  const driver =
    storage !== undefined && mark === CATALOG_ALONE
      ? await openBlobDriver({ data: folder, storage })
      : await openFilesystemDriver(folder, { readOnly: true });
  opened.defer(() => driver.close());
  const blobs = new BlobStore(driver);
  const exitCode = await verifyStored({ ...registry, blobs }, folder, { repair: false, format, signal });
  return isOld ? 1 : exitCode;
}

/** Opens a driver that has the folder to itself, so that many small blobs need not wait for the device one by one. */
async function openDriver(folder: string, opened: AsyncDisposableStack): Promise<FilesystemDriver> {
  const driver = await openFilesystemDriver(folder, { journal: true });
  opened.defer(() => driver.close());
  return driver;
}

/** Refuses a folder that belongs to a registry, or to a backup of the other kind: a backup replaces its content. */
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

/**
 * Reports whether a path is in a folder, after symbolic links and mounts. The last folders of the path need not exist.
 */
function isWithin(path: string, folder: string): boolean {
  const outer = statusOf(folder);
  if (outer === undefined) return `${path}/`.startsWith(`${folder}/`);
  for (let current = realPath(path); ; current = dirname(current)) {
    const status = statusOf(current);
    if (status?.dev === outer.dev && status.ino === outer.ino) return true;
    if (dirname(current) === current) return false;
  }
}

function statusOf(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}

/** Returns the path without symbolic links, as far as it exists. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (dirname(path) === path) throw error;
    return join(realPath(dirname(path)), basename(path));
  }
}
