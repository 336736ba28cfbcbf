import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { openPrivateFile } from '../../lib/files/private-file.ts';
import { syncFolder } from '../blobs/filesystem/device.ts';
import { type Database, openDatabase } from '../catalog/database.ts';

const PARTS = ['', '-wal', '-shm'];

/**
 * Makes an SQLite file anew in one step: `fill` makes it under another name, `work` changes it, and then it takes
 * the place of `file`, durably. After a failure `file` is as it was.
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
      // Until it has its name nobody relies on it.
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
  // SQLite makes files that everybody may read, and keeps the mode of an empty file. A file that another user has put there,
  // in a folder that they may write to, would be theirs.
  await (await openPrivateFile(file, 'wx')).close();
  await database.raw('vacuum into ?', [file]);
}

/** Deletes from a copy of a catalog what is true of the original only: uploads that run, and who holds a lease. */
export async function forgetPassing(database: Database): Promise<void> {
  await database('uploads').delete();
  await database('leases').delete();
}

async function remove(file: string): Promise<void> {
  for (const part of PARTS) await rm(`${file}${part}`, { force: true });
}
