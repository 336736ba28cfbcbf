import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../../../storage/catalog/database.ts';
import { describeAppStore } from '../../../contract/app-store.ts';
import { openAppStore } from '../../../support/app-store-harness.ts';

describeAppStore('KnexAppStore on SQLite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'berth-apps-'));
  const knex = await openDatabase({ file: join(folder, 'catalog.db') });
  return openAppStore(knex, () => rm(folder, { recursive: true, force: true }));
});
