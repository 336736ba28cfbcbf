import { open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSystemSpace } from '../../lib/files/file-system-space.ts';
import { makeFolder } from '../../lib/files/make-folder.ts';
import { syncFolder } from '../blobs/filesystem/device.ts';
import type { Database } from '../catalog/database.ts';
import { StorageFullError } from '../errors.ts';
import { writeCatalogFile } from './catalog-file.ts';

/** Folder of the snapshots in the data folder. */
export const SNAPSHOTS_FOLDER = 'snapshots';

const KEPT = 3;
const NAME = /^catalog-(.+)-(\d{8}T\d{9}Z)\.sqlite$/;
const UNFINISHED = '.part';
/** Bytes that stay free. */
const SLACK = 1024 * 1024;

/** A copy of the catalog from before an upgrade. */
export interface Snapshot {
  readonly path: string;
  /** Its last step. */
  readonly step: string;
}

/** Lists the snapshots in a data folder, the newest first. */
export async function listSnapshots(data: string): Promise<readonly Snapshot[]> {
  const folder = join(data, SNAPSHOTS_FOLDER);
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names
    .flatMap((name) => {
      const [, step, time] = NAME.exec(name) ?? [];
      return step === undefined || time === undefined ? [] : [{ path: join(folder, name), step, time }];
    })
    .sort((one, other) => (one.time < other.time ? 1 : -1))
    .map(({ path, step }) => ({ path, step }));
}

/**
 * Copies an SQLite catalog, which has `step` as its last one, durably into the data folder, and deletes all but the
 * newest three copies. Returns the path. Throws StorageFullError when the device lacks space.
 */
export async function takeSnapshot(database: Database, data: string, step: string): Promise<string> {
  await expectSpace(data, await sizeOf(database));
  const folder = join(data, SNAPSHOTS_FOLDER);
  makeFolder(folder);
  await syncFolder(data);
  for (const name of await readdir(folder)) {
    if (name.endsWith(UNFINISHED)) await rm(join(folder, name));
  }
  const time = new Date().toISOString().replaceAll(/[-:.]/g, '');
  const path = join(folder, `catalog-${step}-${time}.sqlite`);
  const unfinished = `${path}${UNFINISHED}`;
  try {
    await writeCatalogFile(database, unfinished);
    const file = await open(unfinished, 'r+');
    await file.sync();
    await file.close();
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
  await syncFolder(folder);
  for (const old of (await listSnapshots(data)).slice(KEPT)) await rm(old.path, { force: true });
  return path;
}

/** Returns the bytes of an SQLite catalog. */
export async function sizeOf(database: Database): Promise<number> {
  const [{ page_count: pages }] = await database.raw('pragma page_count');
  const [{ page_size: size }] = await database.raw('pragma page_size');
  return pages * size;
}

/** Returns the bytes that an upgrade needs: for the snapshot, and for steps that rewrite the whole catalog. */
export function spaceForUpgrade(size: number): number {
  return 2 * size + SLACK;
}

async function expectSpace(data: string, size: number): Promise<void> {
  const needed = spaceForUpgrade(size);
  const { free } = await fileSystemSpace(data);
  if (free >= needed) return;
  const inMiB = (bytes: number) => `${Math.ceil(bytes / 1024 / 1024)} MiB`;
  throw new StorageFullError(
    `the upgrade of the database needs ${inMiB(needed)} of free space in ${data}, which has ${inMiB(free)}: ` +
      'free some and start again; nothing was changed',
  );
}
