import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../../../storage/catalog/database.ts';
import { openCatalog } from '../../../../storage/catalog/knex-catalog.ts';
import { describeBrowse } from '../../../contract/browse.ts';
import { describeBrowsePlans } from '../../../contract/browse-plans.ts';
import { describeWebhookDeliveries } from '../../../contract/webhook-deliveries.ts';

const open = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'berth-browse-'));
  const knex = await openDatabase({ file: join(folder, 'catalog.db') });
  const catalog = await openCatalog(knex);
  const close = async () => {
    await catalog.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { knex, catalog, close };
};

describeBrowse('the SQLite catalog', open);
describeBrowsePlans('the SQLite catalog', open);
describeWebhookDeliveries('the SQLite catalog', open);
