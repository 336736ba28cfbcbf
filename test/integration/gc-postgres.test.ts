import { after } from 'node:test';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import { describeGarbage } from '../contract/garbage.ts';
import { startPostgres } from '../support/postgres.ts';

const postgres = await startPostgres({ after });

describeGarbage('the PostgreSQL catalog', async () => {
  const knex = await openPostgres(await postgres.createDatabase());
  return { knex, catalog: await openCatalog(knex) };
});
