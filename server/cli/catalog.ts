import { ConfigError } from '../../lib/settings/config-error.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { openAccounts } from '../open-auth.ts';
import { openCatalogDatabase } from '../open-storage.ts';
import { migrate } from './catalog-migrate.ts';
import { rebuild } from './catalog-rebuild.ts';
import { advice, parseOptions, STORAGE_OPTIONS } from './parse-options.ts';
import { printLine, tellLine } from './printable.ts';
import { loadStoredConfig } from './stored-config.ts';
import { expectFile } from './stored-registry.ts';

const ACTIONS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  migrate,
  rebuild,
  upgrade,
};

/** `berth catalog`: operations on the whole database. */
export async function catalog(args: readonly string[]): Promise<number> {
  const [action = '', ...rest] = args;
  const run = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
  if (run !== undefined) return run(rest);
  if (action === '') throw new ConfigError('an action on the catalog is missing: try "berth catalog --help"');
  throw new ConfigError(
    `"${action}" is not an action of berth catalog: ${advice(action, Object.keys(ACTIONS), '"berth catalog --help"')}`,
  );
}

/**
 * `berth catalog upgrade`: brings the tables of catalog and accounts up to date, as the start of a registry does, and
 * creates them in an empty PostgreSQL database. Others may work on them meanwhile. Throws ConfigError.
 */
async function upgrade(args: readonly string[]): Promise<number> {
  const flags = parseOptions(args, STORAGE_OPTIONS);
  const config = loadStoredConfig(flags);
  // A PostgreSQL database may be new, but a folder without a registry is a mistake.
  if (config.database === undefined) await expectFile(config);
  const database = await openCatalogDatabase(config, undefined, { report: tellLine });
  try {
    await openCatalog(database);
    await openAccounts(database);
  } finally {
    await database.destroy();
  }
  printLine('the tables of the database are up to date');
  return 0;
}
