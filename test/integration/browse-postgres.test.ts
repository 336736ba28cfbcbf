import { after } from 'node:test';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import { describeBrowse } from '../contract/browse.ts';
import { describeBrowsePlans } from '../contract/browse-plans.ts';
import { describeWebhookDeliveries } from '../contract/webhook-deliveries.ts';
import { startPostgres } from '../support/postgres.ts';

const postgres = await startPostgres({ after });

const open = async () => {
  const knex = await openPostgres(await postgres.createDatabase());
  const catalog = await openCatalog(knex);
  return { knex, catalog, close: () => catalog.close() };
};

describeBrowse('the PostgreSQL catalog', open);
describeBrowsePlans('the PostgreSQL catalog', open);
describeWebhookDeliveries('the PostgreSQL catalog', open);
