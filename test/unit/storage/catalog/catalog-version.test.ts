import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MEDIA_TYPES } from '../../../../oci/media-types.ts';
import type { StoredBlob } from '../../../../storage/blobs/blob-driver.ts';
import { openCatalogVersion } from '../../../../storage/catalog/catalog-version.ts';
import { openSqliteCatalog } from '../../../../storage/catalog/knex-catalog.ts';
import { defer } from '../../../support/cleanup.ts';
import { digestOf } from '../../../support/content.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const blob: StoredBlob = { digest: digestOf('a'), size: 1, location: 'a' };
const manifest = { blob, mediaType: MEDIA_TYPES.ociManifest, references: [] };

async function open(t: TestContext) {
  const file = join(await makeTempDir(t, 'catalog-version'), 'catalog.db');
  const openOne = async () => {
    const catalog = await openSqliteCatalog({ file });
    defer(t, () => catalog.close());
    return catalog;
  };
  const [catalog, other] = [await openOne(), await openOne()];
  const version = openCatalogVersion(file);
  defer(t, () => version.close());
  return { catalog, other, version };
}

test('every change of names gives another number, whoever made it', async (t) => {
  const { catalog, other, version } = await open(t);
  const seen = [version.names()];
  const put = { tags: ['1'], requireManifests: false };
  const changes = [
    () => catalog.manifests.put('app', manifest, put),
    () => other.manifests.put('app', manifest, { ...put, tags: ['2'] }),
    () => other.tags.delete('app', '1'),
    () => catalog.manifests.delete('app', blob.digest),
  ];
  for (const change of changes) {
    await change();
    const now = version.names();
    assert.equal(seen.includes(now), false, `still ${now} after ${change}`);
    assert.equal(version.names(), now);
    seen.push(now);
  }
});

test('uploads and links of blobs change no name', async (t) => {
  const { catalog, version } = await open(t);
  const [names, everything] = [version.names(), version.everything()];
  await catalog.uploads.create('app', { id: crypto.randomUUID(), size: 0, detail: '' });
  await catalog.blobs.link('app', blob);
  assert.equal(version.names(), names);
  assert.notEqual(version.everything(), everything);
});
