import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { type Database, openDatabase } from '../../storage/catalog/database.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import { KnexHostStore } from '../../storage/fleet/knex-host-store.ts';
import { describeHostStore, type HostStoreHarness } from '../contract/host-store.ts';
import { startPostgres } from '../support/postgres.ts';

const postgres = await startPostgres({ after });

async function open(openOne: () => Promise<Database>): Promise<HostStoreHarness> {
  const databases = [await openOne(), await openOne()] as const;
  await openCatalog(databases[0]);
  return {
    hosts: new KnexHostStore(databases[0]),
    other: new KnexHostStore(databases[1]),
    async close() {
      for (const database of databases) await database.destroy();
    },
  };
}

describeHostStore('SQLite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'berth-hosts-'));
  const harness = await open(() => openDatabase({ file: join(folder, 'catalog.sqlite') }));
  return {
    ...harness,
    async close() {
      await harness.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
});

describeHostStore('PostgreSQL', async () => {
  const url = await postgres.createDatabase();
  return open(() => openPostgres(url));
});
