import { after } from 'node:test';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import { describeAppStore } from '../contract/app-store.ts';
import { openAppStore } from '../support/app-store-harness.ts';
import { startPostgres } from '../support/postgres.ts';

const postgres = await startPostgres({ after });

describeAppStore('KnexAppStore on PostgreSQL', async () =>
  openAppStore(await openPostgres(await postgres.createDatabase())),
);
