import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Catalog } from '../../../../storage/catalog/catalog.ts';
import { openSqliteCatalog } from '../../../../storage/catalog/knex-catalog.ts';
import { describeCatalog } from '../../../contract/catalog.ts';

describeCatalog('the SQLite catalog', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'berth-catalog-'));
  const opened: Catalog[] = [];
  const open = async () => {
    const catalog = await openSqliteCatalog({ file: join(folder, 'catalog.db') });
    opened.push(catalog);
    return catalog;
  };
  return {
    catalog: await open(),
    reopen: open,
    async close() {
      for (const catalog of opened) await catalog.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
});
