import { access, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../../lib/settings/config-error.ts';
import type { BlobDriver } from '../../storage/blobs/blob-driver.ts';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import { FolderSideFiles } from '../../storage/blobs/filesystem/folder-side-files.ts';
import type { SideFiles } from '../../storage/blobs/side-files.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { RECOVERED, type RebuildReport, rebuildCatalog } from '../../storage/rebuild/rebuild-catalog.ts';
import { NAMES_FOLDER, readNameLine } from '../../storage/recovery-copies/names-snapshot.ts';
import { readLatestSnapshot } from '../../storage/recovery-copies/read-snapshot.ts';
import { onFolder, takeFolder } from '../on-folder.ts';
import { openBlobDriver, type StorageConfig } from '../open-storage.ts';
import { copyFromFile, fileToFill, refuseUsedDatabase } from './catalog-copies.ts';
import { interruption } from './interruption.ts';
import { parseOptions, STORAGE_OPTIONS } from './parse-options.ts';
import { printLine, tellLine } from './printable.ts';
import { Progress } from './progress.ts';
import { rebuildAccounts } from './rebuild-accounts.ts';
import { loadStoredConfig } from './stored-config.ts';

const PARTS = ['', '-wal', '-shm'];

/**
 * `berth catalog rebuild`: rebuilds a lost database, in a data folder or an empty PostgreSQL database, from the content
 * and the recovery copies beside it, while no server runs. Exit code 0 when everything has its name again, 1 when
 * something does not, which is reported.
 */
export async function rebuild(args: readonly string[]): Promise<number> {
  const { force, ...flags } = parseOptions(args, {
    ...STORAGE_OPTIONS,
    force: { type: 'boolean' },
  });
  const config = loadStoredConfig(flags);
  const { data } = config;
  const blobs = () => exists(join(data, 'blobs'));
  if (config.storage === undefined && !(await onFolder(data, '', blobs))) {
    throw new ConfigError(`${data} has no folder blobs: give the data folder of a registry with --data`);
  }
  const lock = takeFolder(data);
  try {
    await refuseUsedDatabase(config);
    const file = fileToFill(config);
    if (config.database === undefined && force !== true && (await hasContent(file))) {
      throw new ConfigError(
        `${file} has content: check it with "berth fsck"; --force rebuilds it and keeps the old one beside it`,
      );
    }
    const signal = interruption();
    const report = await rebuildInto(`${file}.new`, config, signal).catch(async (error: unknown) => {
      for (const part of PARTS) await rm(`${file}.new${part}`, { force: true });
      if (!signal.aborted) throw error;
    });
    if (report === undefined) {
      tellLine('berth: interrupted: nothing was changed; run the same command again to start over');
      return 1;
    }
    if (config.database !== undefined) {
      await copyFromFile(config, `${file}.new`);
      for (const part of PARTS) await rm(`${file}.new${part}`, { force: true });
      tell(report, undefined);
    } else {
      const aside = await setAside(file);
      await rename(`${file}.new`, file);
      await syncFolder(data);
      tell(report, aside);
    }
    return report.problems === 0 ? 0 : 1;
  } finally {
    lock.release();
  }
}

/** Reports whether a database is readable and has names. An unreadable one counts as lost. */
async function hasContent(file: string): Promise<boolean> {
  if (!(await exists(file))) return false;
  const database = await openDatabase({ file });
  try {
    return (await database('blobs').first('digest')) !== undefined;
  } catch {
    return false;
  } finally {
    await database.destroy();
  }
}

async function rebuildInto(
  file: string,
  config: StorageConfig,
  signal: AbortSignal,
): Promise<RebuildReport & { accounts: string[] }> {
  for (const part of PARTS) await rm(`${file}${part}`, { force: true });
  const progress = new Progress();
  const say = (line: string) => {
    progress.clear();
    printLine(line);
  };
  await using driver = await openDriver(config);
  const snapshot = await latestNames(driver.sideFiles, config, (broken) =>
    say(`the snapshot of names ${broken} is damaged: an earlier one is used`),
  );
  say(snapshot ? `names are taken from ${NAMES_FOLDER}/${snapshot.file}` : 'there is no snapshot of names');
  const total = await filesIn(driver, signal);
  const database = await openDatabase({ file });
  try {
    // Nothing relies on the file before the rename.
    await database.raw('pragma synchronous = off');
    const catalog = await openCatalog(database);
    const report = await rebuildCatalog({
      catalog,
      blobs: new BlobStore(driver),
      names: snapshot?.lines ?? [],
      signal,
      onProblem: say,
      onFile: (done) => progress.show('verified', { done, total, unit: 'files' }),
    });
    progress.clear();
    const accounts = await rebuildAccounts({ database, catalog, files: driver.sideFiles, say });
    await database.raw('pragma wal_checkpoint(truncate)');
    return { ...report, problems: report.problems + accounts.problems, accounts: accounts.told };
  } finally {
    await database.destroy();
    const handle = await open(file, 'r+');
    await handle.sync();
    await handle.close();
  }
}

async function filesIn(driver: BlobDriver, signal: AbortSignal): Promise<number> {
  let files = 0;
  for await (const _ of new BlobStore(driver).list(signal)) files += 1;
  return files;
}

async function openDriver(config: StorageConfig) {
  const driver = await openBlobDriver(config, 'alone');
  return Object.assign(driver, { [Symbol.asyncDispose]: () => driver.close() });
}

/** With blobs on S3, earlier versions stored the names in the data folder. */
async function latestNames(
  files: SideFiles,
  { data, storage }: StorageConfig,
  onBroken: (file: string) => void,
) {
  const places = storage === undefined ? [files] : [files, new FolderSideFiles(data)];
  const found = [];
  for (const place of places) {
    found.push((await readLatestSnapshot(place, NAMES_FOLDER, readNameLine, onBroken)) ?? []);
  }
  return found.flat().sort((one, other) => (one.file > other.file ? -1 : 1))[0];
}

/** Moves the old database out of the way; returns its new path, or undefined when there was none. */
async function setAside(file: string): Promise<string | undefined> {
  const aside = `${file}.old-${new Date().toISOString().replaceAll(':', '-')}`;
  let moved = false;
  for (const part of PARTS) {
    if (!(await exists(`${file}${part}`))) continue;
    await rename(`${file}${part}`, `${aside}${part}`);
    moved = true;
  }
  return moved ? aside : undefined;
}

function tell(
  { blobs, manifests, tags, recovered, accounts }: RebuildReport & { readonly accounts: readonly string[] },
  aside: string | undefined,
): void {
  printLine(`rebuilt from ${blobs} blobs: ${manifests} manifests, ${tags} tags`);
  if (recovered > 0) printLine(`${recovered} manifests without a name are in ${RECOVERED}`);
  for (const line of accounts) printLine(line);
  if (aside !== undefined) printLine(`the old database is ${aside}`);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
