import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { openPrivateFile } from '../../lib/files/private-file.ts';
import { syncFolder } from '../blobs/filesystem/device.ts';
import { type Database, openDatabase } from '../catalog/database.ts';

const PARTS = ['', '-wal', '-shm'];

/**
 * Replaces an SQLite file in one step: `fill` creates it under another name, `work` changes it, and then it durably
 * replaces `file`. After a failure `file` is unchanged.
 */
export async function replaceCatalogFile<Result>(
  file: string,
  fill: (newFile: string) => Promise<void>,
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  const newFile = `${file}.new`;
  await remove(newFile);
  try {
    await fill(newFile);
    const database = await openDatabase({ file: newFile });
    let result: Result;
    try {
      // Nothing relies on the file before the rename.
      await database.raw('pragma synchronous = off');
      result = await work(database);
      await database.raw('pragma wal_checkpoint(truncate)');
    } finally {
      await database.destroy();
    }
    const handle = await open(newFile, 'r+');
    await handle.sync();
    await handle.close();
    for (const part of PARTS.slice(1)) await rm(`${file}${part}`, { force: true });
    await rename(newFile, file);
    await syncFolder(dirname(file));
    return result;
  } finally {
    await remove(newFile);
  }
}

/** Writes a catalog's database as it is at one moment into a new SQLite file. Others may read and write meanwhile. */
export async function writeCatalogFile(database: Database, file: string): Promise<void> {
  // SQLite creates world-readable files, and keeps the mode of an empty file. `wx` refuses a file that another user has
  // put into a shared folder.
  await (await openPrivateFile(file, 'wx')).close();
  await database.raw('vacuum into ?', [file]);
}

/** Deletes data that holds only for the original catalog from its copy: running uploads, and lease holders. */
export async function forgetPassing(database: Database): Promise<void> {
  await database('uploads').delete();
  await database('leases').delete();
}

async function remove(file: string): Promise<void> {
  for (const part of PARTS) await rm(`${file}${part}`, { force: true });
}
