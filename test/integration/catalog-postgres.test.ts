import { after } from 'node:test';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import { describeCatalog } from '../contract/catalog.ts';
import { startPostgres } from '../support/postgres.ts';

const postgres = await startPostgres({ after });

describeCatalog('the PostgreSQL catalog', async () => {
  const url = await postgres.createDatabase();
  const opened: Catalog[] = [];
  const open = async () => {
    const catalog = await openCatalog(await openPostgres(url));
    opened.push(catalog);
    return catalog;
  };
  return {
    catalog: await open(),
    reopen: open,
    async close() {
      for (const catalog of opened) await catalog.close();
    },
  };
});
