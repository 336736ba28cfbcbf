import { join } from 'node:path';
import { after } from 'node:test';
import { ACCOUNT_MIGRATIONS } from '../../auth/accounts/account-migrations.ts';
import { KnexAccountStore } from '../../auth/accounts/knex-account-store.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { migrate } from '../../storage/catalog/migrate.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import { describeAccountStore } from '../contract/account-store.ts';
import { defer } from '../support/cleanup.ts';
import { startPostgres } from '../support/postgres.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const postgres = await startPostgres({ after });

describeAccountStore('knex on SQLite', async (t) => {
  const database = await openDatabase({ file: join(await makeTempDir(t), 'accounts.sqlite') });
  defer(t, () => database.destroy());
  await migrate(database, 'auth_migrations', ACCOUNT_MIGRATIONS);
  return new KnexAccountStore(database);
});

describeAccountStore('knex on PostgreSQL', async (t) => {
  const database = await openPostgres(await postgres.createDatabase());
  defer(t, () => database.destroy());
  await migrate(database, 'auth_migrations', ACCOUNT_MIGRATIONS);
  return new KnexAccountStore(database);
});
