import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import type { StoredBlob } from '../../storage/blobs/blob-driver.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import {
  openPostgresVersion,
  type PostgresVersion,
} from '../../storage/catalog/postgres/postgres-version.ts';
import { defer } from '../support/cleanup.ts';
import { digestOf } from '../support/content.ts';
import { queryPostgres, startPostgres } from '../support/postgres.ts';

const postgres = await startPostgres({ after });
const blob: StoredBlob = { digest: digestOf('a'), size: 1, location: 'a' };
const manifest = { blob, mediaType: MEDIA_TYPES.ociManifest, references: [] };
const put = { tags: ['1'], requireManifests: false };

async function open(
  t: TestContext,
): Promise<{ catalog: Catalog; other: Catalog; version: PostgresVersion; url: string }> {
  const url = await postgres.createDatabase();
  const openOne = async () => {
    const catalog = await openCatalog(await openPostgres(url));
    defer(t, () => catalog.close());
    return catalog;
  };
  const [catalog, other] = [await openOne(), await openOne()];
  const version = await openPostgresVersion(url);
  defer(t, () => version.close());
  return { catalog, other, version, url };
}

test('every change of names gives another number after a refresh, whoever made it', async (t) => {
  const { catalog, other, version } = await open(t);
  const seen = [version.names()];
  const changes = [
    () => catalog.manifests.put('app', manifest, put),
    () => other.manifests.put('app', manifest, { ...put, tags: ['2'] }),
    () => other.tags.delete('app', '1'),
    () => catalog.manifests.delete('app', blob.digest),
  ];
  for (const change of changes) {
    await change();
    await version.refresh();
    const now = version.names();
    assert.equal(seen.includes(now), false, `still ${now} after ${change}`);
    assert.equal(await other.names.version(), now);
    await version.refresh();
    assert.equal(version.names(), now);
    seen.push(now);
  }
});

test('uploads and links of blobs change no name', async (t) => {
  const { catalog, version } = await open(t);
  const [names, everything] = [version.names(), version.everything()];
  await catalog.uploads.create('app', { id: crypto.randomUUID(), size: 0, detail: '' });
  await catalog.blobs.link('app', blob);
  await version.refresh();
  assert.equal(version.names(), names);
  assert.notEqual(version.everything(), everything);
});

test('the log of changes is folded, and the number only grows while others write', async (t) => {
  const { catalog, version, url } = await open(t);
  await catalog.manifests.put('app', manifest, put);
  let working = true;
  const writing = (async () => {
    for (let count = 0; count < 80; count += 1) {
      await catalog.manifests.put('app', manifest, { ...put, tags: [`t${count % 2}`] });
    }
    working = false;
  })();
  let last = version.names();
  while (working) {
    await version.refresh();
    assert.ok(version.names() >= last, `${version.names()} after ${last}`);
    last = version.names();
  }
  await writing;
  await version.refresh();
  const total = version.names();
  await version.refresh();
  assert.equal(version.names(), total);
  assert.equal(await catalog.names.version(), total);
  const rows = await queryPostgres<{ count: string }>(url, 'select count(*) from name_change_log');
  assert.ok(total > 150 && Number(rows[0]?.count) <= 102, `${rows[0]?.count} of ${total}`);
});

test('all that was kept is void while the database cannot be asked', async (t) => {
  const { version } = await open(t);
  const before = [version.names(), version.everything()];
  await postgres.stop();
  await assert.rejects(version.refresh(), { code: 'DATABASE_UNAVAILABLE' });
  const during = [version.names(), version.everything()];
  assert.ok(during[0] !== before[0] && during[1] !== before[1]);
  await postgres.start();
  await version.refresh();
  assert.ok(version.names() === before[0] && version.everything() !== before[1]);
});
