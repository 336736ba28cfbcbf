import { after } from 'node:test';
import { openAccounts } from '../../server/open-auth.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import { describeAccountStore } from '../contract/account-store.ts';
import { openTestAuthStore } from '../support/auth-store.ts';
import { defer } from '../support/cleanup.ts';
import { startPostgres } from '../support/postgres.ts';

const postgres = await startPostgres({ after });

describeAccountStore('knex on SQLite', async (t) => (await openTestAuthStore(t)).accounts);

describeAccountStore('knex on PostgreSQL', async (t) => {
  const database = await openPostgres(await postgres.createDatabase());
  defer(t, () => database.destroy());
  return (await openAccounts(database)).accounts;
});
