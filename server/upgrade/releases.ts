import { ACCOUNT_MIGRATIONS } from '../../auth/accounts/account-migrations.ts';
import { CATALOG_MIGRATIONS } from '../../storage/catalog/catalog-migrations.ts';
import type { MigrationList } from '../../storage/catalog/migrate.ts';

/** The steps of the tables of accounts. */
export const ACCOUNTS: MigrationList = { table: 'auth_migrations', steps: ACCOUNT_MIGRATIONS };

/** The steps of a registry's database. */
export const DATABASE_STEPS: readonly MigrationList[] = [CATALOG_MIGRATIONS, ACCOUNTS];

/** Names of the last steps of a release. */
export interface LastSteps {
  readonly catalog: string;
  readonly accounts: string;
}

/** The releases, and the last steps of each. The last one is this version. */
export const RELEASES: Readonly<Record<string, LastSteps>> = {
  '0.1.0': { catalog: '0013-webhook-deliveries', accounts: '0006-session-clients' },
};
