import { access, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { readLatestSnapshot } from '../../storage/names/read-snapshot.ts';
import { namesFolder } from '../../storage/names/snapshot-files.ts';
import { RECOVERED, type RebuildReport, rebuildCatalog } from '../../storage/rebuild/rebuild-catalog.ts';
import { loadConfig } from '../config/config.ts';
import { ConfigError } from '../config/config-error.ts';
import { openBlobDriver, type StorageConfig } from '../open-storage.ts';
import { interruption } from './interruption.ts';
import { parseOptions } from './parse-options.ts';
import { Progress } from './progress.ts';
import { takeFolder } from './take-folder.ts';

const PARTS = ['', '-wal', '-shm'];

/**
 * `berth catalog rebuild`: makes the database of a data folder anew from the content in it, while no server
 * runs. Exit code 0 when everything is back under its name, 1 when something is not, which it tells.
 */
export async function rebuild(args: readonly string[]): Promise<number> {
  const { force, ...flags } = parseOptions(args, {
    data: { type: 'string' },
    storage: { type: 'string' },
    config: { type: 'string' },
    force: { type: 'boolean' },
  });
  const config = loadConfig({ flags, env: process.env, isRoot: process.getuid?.() === 0 });
  const { data } = config;
  if (config.storage === undefined && !(await exists(join(data, 'blobs')))) {
    throw new ConfigError(`${data} has no folder blobs: give the data folder of a registry with --data`);
  }
  const lock = takeFolder(data);
  try {
    const file = join(data, 'catalog.sqlite');
    if (force !== true && (await hasContent(file))) {
      throw new ConfigError(
        `${file} has content: look at it with "berth fsck"; --force rebuilds it and keeps the old one beside it`,
      );
    }
    const report = await rebuildInto(`${file}.new`, config);
    const aside = await setAside(file);
    await rename(`${file}.new`, file);
    await syncFolder(data);
    tell(report, aside);
    return report.problems === 0 ? 0 : 1;
  } finally {
    lock.release();
  }
}

/** Whether a database can be read and has names in it. One that cannot is as good as lost. */
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

async function rebuildInto(file: string, config: StorageConfig): Promise<RebuildReport> {
  for (const part of PARTS) await rm(`${file}${part}`, { force: true });
  const progress = new Progress();
  const say = (line: string) => {
    progress.clear();
    process.stdout.write(`${line}\n`);
  };
  const snapshot = await readLatestSnapshot(namesFolder(config.data), (broken) =>
    say(`the snapshot of names ${broken} is damaged: an earlier one is used`),
  );
  say(snapshot ? `names are taken from names/${snapshot.file}` : 'there is no snapshot of names');
  const database = await openDatabase({ file });
  try {
    // Until it has its name nobody relies on it.
    await database.raw('pragma synchronous = off');
    const report = await rebuildCatalog({
      catalog: await openCatalog(database),
      blobs: new BlobStore(await openBlobDriver(config, 'alone')),
      names: snapshot?.lines ?? [],
      signal: interruption(),
      onProblem: say,
      onFile: (count) => progress.show(`${count} files verified`),
    });
    progress.clear();
    await database.raw('pragma wal_checkpoint(truncate)');
    return report;
  } finally {
    await database.destroy();
    const handle = await open(file, 'r+');
    await handle.sync();
    await handle.close();
  }
}

/** Moves the old database out of the way; answers its new path, or undefined when there was none. */
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

function tell({ blobs, manifests, tags, recovered }: RebuildReport, aside: string | undefined): void {
  process.stdout.write(`rebuilt from ${blobs} blobs: ${manifests} manifests, ${tags} tags\n`);
  if (recovered > 0) process.stdout.write(`${recovered} manifests without a name are in ${RECOVERED}\n`);
  if (aside !== undefined) process.stdout.write(`the old database is ${aside}\n`);
  process.stdout.write(
    'accounts, roles, rules, quotas, webhooks and what was recorded were in the lost database alone: a backup of it ' +
      'has them (berth restore); without one the next start makes the user admin anew, and they are to be made again\n',
  );
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
