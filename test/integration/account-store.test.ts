import { join } from 'node:path';
import { after } from 'node:test';
import { openAuthStore } from '../../auth/auth-store.ts';
import { openAccounts } from '../../server/open-auth.ts';
import { type Database, openDatabase } from '../../storage/catalog/database.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import { describeAccountStore } from '../contract/account-store.ts';
import { describeAuthLists, describeAuthPages, type SharedAuthStores } from '../contract/auth-lists.ts';
import { describeAuthStore } from '../contract/auth-store.ts';
import { openTestAuthStore } from '../support/auth-store.ts';
import { type CleanupScope, defer } from '../support/cleanup.ts';
import { type DatabaseOptions, startPostgres } from '../support/postgres.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const postgres = await startPostgres({ after });

async function openOnPostgres(scope: CleanupScope) {
  const database = await openPostgres(await postgres.createDatabase());
  defer(scope, () => database.destroy());
  return openAccounts(database);
}

async function openTwo(scope: CleanupScope, openOne: () => Promise<Database>): Promise<SharedAuthStores> {
  const databases = [await openOne(), await openOne()] as const;
  defer(scope, async () => {
    for (const database of databases) await database.destroy();
  });
  return {
    stores: [await openAccounts(databases[0]), await openAccounts(databases[1])],
    together: (work) =>
      databases[0].transaction((trx) => work(openAuthStore({ read: trx, write: (step) => step(trx) }))),
  };
}

async function openTwoOnSqlite(scope: CleanupScope) {
  const file = join(await makeTempDir(scope), 'auth.sqlite');
  return openTwo(scope, () => openDatabase({ file }));
}

async function openTwoOnPostgres(scope: CleanupScope, options?: DatabaseOptions) {
  const url = await postgres.createDatabase(options);
  return openTwo(scope, () => openPostgres(url));
}

describeAccountStore('knex on SQLite', async (t) => (await openTestAuthStore(t)).accounts);
describeAccountStore('knex on PostgreSQL', async (t) => (await openOnPostgres(t)).accounts);
describeAuthStore('knex on SQLite', (t) => openTestAuthStore(t));
describeAuthStore('knex on PostgreSQL', (t) => openOnPostgres(t));
describeAuthLists('knex on SQLite', openTwoOnSqlite);
describeAuthLists('knex on PostgreSQL', (t) => openTwoOnPostgres(t));
describeAuthPages('knex on PostgreSQL, in English order', (t) =>
  openTwoOnPostgres(t, { icuLocale: 'en-US' }),
);
describeAuthPages('knex on PostgreSQL, in an order that ignores punctuation', (t) =>
  openTwoOnPostgres(t, { icuLocale: 'und-u-ka-shifted-kn-true' }),
);
