import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Catalog } from '../../../../storage/catalog/catalog.ts';
import { openSqliteCatalog } from '../../../../storage/catalog/knex-catalog.ts';
import { type CatalogHarness, describeCatalog } from '../../../contract/catalog.ts';
import { describeCatalogGuards } from '../../../contract/catalog-guards.ts';

const open = async (): Promise<CatalogHarness> => {
  const folder = await mkdtemp(join(tmpdir(), 'berth-catalog-'));
  const opened: Catalog[] = [];
  const openOne = async () => {
    const catalog = await openSqliteCatalog({ file: join(folder, 'catalog.db') });
    opened.push(catalog);
    return catalog;
  };
  return {
    catalog: await openOne(),
    reopen: openOne,
    async close() {
      for (const catalog of opened) await catalog.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

describeCatalog('the SQLite catalog', open);
describeCatalogGuards('the SQLite catalog', open);
