import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../storage/blobs/filesystem/filesystem-driver.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { type Database, openDatabase } from '../../storage/catalog/database.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { ConfigError } from '../config.ts';

/** What a data folder holds, for commands that work on it beside a running server. */
export interface StoredRegistry extends AsyncDisposable {
  readonly database: Database;
  readonly catalog: Catalog;
  readonly blobs: BlobStore;
}

/** Opens a data folder that a server has made; makes none. Throws ConfigError when there is no database in it. */
export async function openStoredRegistry(data: string): Promise<StoredRegistry> {
  const file = join(data, 'catalog.sqlite');
  try {
    await access(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new ConfigError(
      code === 'ENOENT'
        ? `${data} has no catalog.sqlite: give the data folder of a registry with --data`
        : `the data folder ${data} cannot be used (${code})`,
      { cause },
    );
  }
  const database = await openDatabase({ file });
  try {
    const catalog = await openCatalog(database);
    const blobs = new BlobStore(await openFilesystemDriver(data));
    return { database, catalog, blobs, [Symbol.asyncDispose]: () => database.destroy() };
  } catch (error) {
    await database.destroy();
    throw error;
  }
}
