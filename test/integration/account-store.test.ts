import { after } from 'node:test';
import { openAccounts } from '../../server/open-accounts.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import { describeAccountStore } from '../contract/account-store.ts';
import { describeAuthStore } from '../contract/auth-store.ts';
import { openTestAuthStore } from '../support/auth-store.ts';
import { type CleanupScope, defer } from '../support/cleanup.ts';
import { startPostgres } from '../support/postgres.ts';

const postgres = await startPostgres({ after });

async function openOnPostgres(scope: CleanupScope) {
  const database = await openPostgres(await postgres.createDatabase());
  defer(scope, () => database.destroy());
  return openAccounts(database);
}

describeAccountStore('knex on SQLite', async (t) => (await openTestAuthStore(t)).accounts);
describeAccountStore('knex on PostgreSQL', async (t) => (await openOnPostgres(t)).accounts);
describeAuthStore('knex on SQLite', (t) => openTestAuthStore(t));
describeAuthStore('knex on PostgreSQL', openOnPostgres);
