import { join } from 'node:path';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { writeCatalogFile } from '../../storage/backup/catalog-file.ts';
import { copyTables } from '../../storage/catalog/copy-tables.ts';
import { type Database, openDatabase } from '../../storage/catalog/database.ts';
import { hasCatalog, openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { openAccounts } from '../open-auth.ts';
import { openCatalogDatabase, type StorageConfig } from '../open-storage.ts';

/** Writes catalog and accounts, as of one moment, into a new SQLite file. Others may read and write meanwhile. */
export async function copyToFile({ database }: StorageConfig, from: Database, file: string): Promise<void> {
  if (database === undefined) return writeCatalogFile(from, file);
  await openAccounts(from);
  const copy = await openDatabase({ file });
  try {
    await makeTables(copy);
    await copyTables({ from, to: copy });
  } finally {
    await copy.destroy();
  }
}

/** Fills the empty database of a configuration from an SQLite file. */
export async function copyFromFile(config: StorageConfig, file: string): Promise<void> {
  const [copy, target] = [await openDatabase({ file }), await openCatalogDatabase(config)];
  try {
    await makeTables(copy);
    await makeTables(target);
    await copyTables({ from: copy, to: target });
  } finally {
    await copy.destroy();
    await target.destroy();
  }
}

/** Throws ConfigError when a PostgreSQL database has repositories; an empty registry may be overwritten. */
export async function refuseUsedDatabase(config: StorageConfig): Promise<void> {
  if (config.database === undefined) return;
  const database = await openCatalogDatabase(config);
  try {
    if (!(await hasCatalog(database))) return;
    const { names } = await (await openCatalog(database)).repositories.list({ limit: 1 });
    if (names.length > 0) {
      throw new ConfigError(
        `the database is not empty; it has the repository ${names[0]}: choose another with --database`,
      );
    }
  } finally {
    await database.destroy();
  }
}

/** Returns the file for the catalog of a restored registry, or a temporary one from which its database is filled. */
export function fileToFill({ data, database }: StorageConfig): string {
  return join(data, database === undefined ? 'catalog.sqlite' : 'restored.sqlite');
}

/** Migrates the tables of catalog and accounts, and creates missing ones. */
export async function makeTables(database: Database): Promise<void> {
  await openCatalog(database);
  await openAccounts(database);
}
