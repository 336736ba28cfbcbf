import { OPEN_ACCESS } from '../auth/access/access.ts';
import { type AuthStore, openAuthStore } from '../auth/auth-store.ts';
import type { Database } from '../storage/catalog/database.ts';
import { migrateAll } from '../storage/catalog/migrate.ts';
import { inTransaction } from '../storage/catalog/transaction.ts';
import type { Config } from './config/config.ts';
import type { OpenedAuth } from './open-logins.ts';
import type { OpenedStorage } from './open-storage.ts';
import { ACCOUNTS } from './upgrade/releases.ts';

/**
 * Migrates the tables of accounts, creates the administrator at the first start and explains with `say` how to log in.
 * Throws ConfigError.
 */
export async function openAuth(
  config: Pick<Config, 'adminPassword' | 'auth' | 'tokens'>,
  storage: Pick<OpenedStorage, 'database' | 'hosts' | 'version'>,
  say: (line: string) => void,
): Promise<OpenedAuth> {
  const store = await openAccounts(storage.database);
  if (config.auth === 'none') {
    return {
      access: OPEN_ACCESS,
      authenticator: undefined,
      challenges: { kind: 'basic' },
      hostTokens: undefined,
      login: undefined,
      management: undefined,
      tokens: undefined,
      // Everybody sees everything, so there is nothing to hide.
      keysFor: async () => [Buffer.alloc(32)],
    };
  }
  // Takes long to load.
  const { openLogins } = await import('./open-logins.ts');
  return openLogins(config, store, storage, say);
}

/** Returns the accounts of a registry, after migrating their tables. */
export async function openAccounts(database: Database): Promise<AuthStore> {
  await migrateAll(database, [ACCOUNTS]);
  return openAuthStore({
    read: database,
    write: (work, options) => inTransaction(database, work, options),
  });
}
