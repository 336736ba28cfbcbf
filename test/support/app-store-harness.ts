import type { Knex } from 'knex';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { KnexAppStore } from '../../storage/fleet/knex-app-store.ts';
import { collectGarbage } from '../../storage/gc/collect-garbage.ts';
import { garbagePolicy } from '../../storage/gc/garbage-policy.ts';
import type { AppStoreHarness } from '../contract/app-store.ts';
import { MemoryBlobDriver, MemoryDisk } from './memory-blob-driver.ts';

/** Opens the stores of an empty database; `after` runs once they are closed. */
export async function openAppStore(knex: Knex, after = async () => {}): Promise<AppStoreHarness> {
  const catalog = await openCatalog(knex);
  const blobs = new BlobStore(new MemoryBlobDriver(new MemoryDisk()));
  return {
    apps: new KnexAppStore(knex),
    catalog,
    async collect() {
      await collectGarbage({ catalog, blobs, policy: { ...garbagePolicy(-1, true), orphanAgeMs: 0 } });
    },
    async close() {
      await catalog.close();
      await after();
    },
  };
}
