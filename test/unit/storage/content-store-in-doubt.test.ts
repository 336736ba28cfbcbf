import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BlobStore } from '../../../storage/blobs/blob-store.ts';
import type { BlobCatalog, Catalog } from '../../../storage/catalog/catalog.ts';
import { openSqliteCatalog } from '../../../storage/catalog/knex-catalog.ts';
import { ContentStore } from '../../../storage/content-store.ts';
import { DatabaseUnavailableError, UploadUnknownError } from '../../../storage/errors.ts';
import { defer } from '../../support/cleanup.ts';
import { digestOf } from '../../support/content.ts';
import { MemoryBlobDriver, MemoryDisk } from '../../support/memory-blob-driver.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

/** A store whose links are recorded, or refused, and answered with `error`. */
async function storeWith(t: TestContext, error: Error, recorded: boolean) {
  const catalog = await openSqliteCatalog({ file: join(await makeTempDir(t), 'catalog.sqlite') });
  defer(t, () => catalog.close());
  const link: BlobCatalog['link'] = async (...args) => {
    if (recorded) await catalog.blobs.link(...args);
    throw error;
  };
  const failing: Catalog = { ...catalog, blobs: Object.assign(Object.create(catalog.blobs), { link }) };
  const blobs = new BlobStore(new MemoryBlobDriver(new MemoryDisk()));
  return { catalog, blobs, content: new ContentStore(failing, blobs) };
}

const bytes = Buffer.from('content');
const digest = digestOf('content');

test('content whose record is in doubt stays: the database may have it', async (t) => {
  const lost = new DatabaseUnavailableError('the database is unreachable', { inDoubt: true });
  const { catalog, blobs, content } = await storeWith(t, lost, true);
  await assert.rejects(content.putBlob('app', bytes, digest), lost);
  const record = await catalog.blobs.findAnywhere(digest);
  assert.ok(record !== undefined && (await blobs.holds(record)));
});

test('content whose record was refused for certain goes', async (t) => {
  const refused = new UploadUnknownError('refused');
  const { blobs, content } = await storeWith(t, refused, false);
  await assert.rejects(content.putBlob('app', bytes, digest), refused);
  assert.equal(await blobs.find(digest), undefined);
});
