import { after } from 'node:test';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import { type CatalogHarness, describeCatalog } from '../contract/catalog.ts';
import { describeCatalogGuards } from '../contract/catalog-guards.ts';
import { startPostgres } from '../support/postgres.ts';

const postgres = await startPostgres({ after });

const open = async (): Promise<CatalogHarness> => {
  const url = await postgres.createDatabase();
  const opened: Catalog[] = [];
  const openOne = async () => {
    const catalog = await openCatalog(await openPostgres(url));
    opened.push(catalog);
    return catalog;
  };
  return {
    catalog: await openOne(),
    reopen: openOne,
    async close() {
      for (const catalog of opened) await catalog.close();
    },
  };
};

describeCatalog('the PostgreSQL catalog', open);
describeCatalogGuards('the PostgreSQL catalog', open);
