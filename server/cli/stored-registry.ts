import { access } from 'node:fs/promises';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { Database } from '../../storage/catalog/database.ts';
import { hasCatalog, openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { KnexAppStore } from '../../storage/fleet/knex-app-store.ts';
import { KnexHostStore } from '../../storage/fleet/knex-host-store.ts';
import { refusedFolder } from '../on-folder.ts';
import {
  type OpenedStorage,
  openBlobDriver,
  openCatalogDatabase,
  replay,
  type StorageConfig,
  sqliteFile,
} from '../open-storage.ts';
import { tellLine } from './printable.ts';

/** The data of a registry, for commands that may run beside a server. */
export type StoredRegistry = Omit<OpenedStorage, 'browse' | 'device' | 'reserve' | 'sideFiles' | 'version'>;

/** Opens the data of a server. Throws ConfigError when there is no database, unless it may be created. */
export async function openStoredRegistry(
  config: StorageConfig,
  { make = false }: { readonly make?: boolean } = {},
): Promise<StoredRegistry> {
  const database = make
    ? await openCatalogDatabase(config, undefined, { report: tellLine })
    : await openStoredDatabase(config);
  try {
    const catalog = await openCatalog(database);
    await replay(config);
    const blobs = new BlobStore(await openBlobDriver(config));
    const hosts = new KnexHostStore(database);
    const apps = new KnexAppStore(database);
    return { database, catalog, hosts, apps, blobs, [Symbol.asyncDispose]: () => database.destroy() };
  } catch (error) {
    await database.destroy();
    throw error;
  }
}

/** Opens the database of a server. Throws ConfigError when there is none. */
export async function openStoredDatabase(config: StorageConfig): Promise<Database> {
  await expectFile(config);
  const database = await openCatalogDatabase(config, undefined, { report: tellLine });
  try {
    if (await hasCatalog(database)) return database;
    throw new ConfigError('the database does not belong to a registry: give the database of berth serve');
  } catch (error) {
    await database.destroy();
    throw error;
  }
}

/** Returns the number of recorded blobs, and their bytes: the work of a job over all content. */
export async function recordedContent(
  database: Database,
): Promise<{ readonly blobs: number; readonly bytes: number }> {
  const row = await database('blobs').count({ blobs: '*' }).sum({ bytes: 'size' }).first();
  return { blobs: Number(row?.blobs ?? 0), bytes: Number(row?.bytes ?? 0) };
}

/** Throws ConfigError when the catalog should be in the data folder but is missing. */
export async function expectFile(config: StorageConfig): Promise<void> {
  if (config.database !== undefined) return;
  try {
    await access(sqliteFile(config));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw refusedFolder(`the data folder ${config.data}`, '', cause) ?? cause;
    }
    throw new ConfigError(
      `${config.data} has no catalog.sqlite: give the data folder of a registry with --data`,
      { cause },
    );
  }
}
