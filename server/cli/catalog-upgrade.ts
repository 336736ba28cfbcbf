import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { loadConfig } from '../config/config.ts';
import { openAccounts } from '../open-accounts.ts';
import { openCatalogDatabase } from '../open-storage.ts';
import { parseOptions } from './parse-options.ts';
import { STORAGE_OPTIONS } from './storage-options.ts';
import { expectFile } from './stored-registry.ts';

/**
 * `berth catalog upgrade`: brings the tables of catalog and accounts up to date, as the start of a registry does,
 * and makes them in an empty database of PostgreSQL. Others may work on them meanwhile. Throws ConfigError.
 */
export async function upgrade(args: readonly string[]): Promise<number> {
  const flags = parseOptions(args, STORAGE_OPTIONS);
  const config = loadConfig({ flags, env: process.env, isRoot: process.getuid?.() === 0 });
  // A PostgreSQL database may be new; a folder that is none of a registry's was not meant.
  if (config.database === undefined) await expectFile(config);
  const database = await openCatalogDatabase(config);
  try {
    await openCatalog(database);
    await openAccounts(database);
  } finally {
    await database.destroy();
  }
  process.stdout.write('the tables of the database are up to date\n');
  return 0;
}
