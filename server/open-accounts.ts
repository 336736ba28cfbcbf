import { ACCOUNT_MIGRATIONS } from '../auth/accounts/account-migrations.ts';
import { type AuthStore, openAuthStore } from '../auth/auth-store.ts';
import type { Database } from '../storage/catalog/database.ts';
import { migrate } from '../storage/catalog/migrate.ts';
import { inTransaction } from '../storage/catalog/transaction.ts';

/** The accounts of a registry, after their tables have been brought up to date. */
export async function openAccounts(database: Database): Promise<AuthStore> {
  await migrate(database, 'auth_migrations', ACCOUNT_MIGRATIONS);
  return openAuthStore({
    read: database,
    write: (work, options) => inTransaction(database, work, options),
  });
}
