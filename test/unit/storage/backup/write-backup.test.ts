import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { writeCatalogFile } from '../../../../storage/backup/catalog-file.ts';
import { type BackupRun, writeBackup } from '../../../../storage/backup/write-backup.ts';
import { BlobStore } from '../../../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../../../storage/blobs/filesystem/filesystem-driver.ts';
import { openDatabase } from '../../../../storage/catalog/database.ts';
import { openCatalog, openSqliteCatalog } from '../../../../storage/catalog/knex-catalog.ts';
import { ContentStore } from '../../../../storage/content-store.ts';
import { collectGarbage, type GarbageReport } from '../../../../storage/gc/collect-garbage.ts';
import { garbagePolicy } from '../../../../storage/gc/garbage-policy.ts';
import { defer } from '../../../support/cleanup.ts';
import { digestOf } from '../../../support/content.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

test('garbage collection between the copy of the catalog and the content makes it begin again, without it', async (t) => {
  const { run, sweep, backedUp, pushBlob, pushTagged, unlink } = await makeRegistry(t);
  await pushTagged('stays');
  await pushBlob('goes');
  const sweeps: (GarbageReport | undefined)[] = [];
  const report = await writeBackup({
    ...run,
    copyCatalog: async (file) => {
      await run.copyCatalog(file);
      await unlink('goes');
      sweeps.push(await sweep());
    },
  });
  assert.deepEqual([sweeps.length, sweeps[0]?.blobs, sweeps[1]], [2, 1, undefined]);
  assert.deepEqual(report.lost, []);
  assert.deepEqual(await backedUp(), ['stays']);
  assert.notEqual(await sweep(), undefined, 'it goes on afterwards');
});

test('a backup that is stopped is the last one that was whole', async (t) => {
  const { run, backedUp, pushBlob, unlink, sweep } = await makeRegistry(t);
  await pushBlob('old');
  await writeBackup(run);
  await unlink('old');
  await sweep();
  await pushBlob('new');
  const stopping = new AbortController();
  const stopped = writeBackup({
    ...run,
    signal: stopping.signal,
    copyCatalog: async (file) => {
      await run.copyCatalog(file);
      stopping.abort(new Error('stopped'));
    },
  });
  await assert.rejects(stopped, /stopped/);
  assert.deepEqual(await backedUp(), ['old']);
  assert.equal((await writeBackup(run)).deleted, 1);
  assert.deepEqual(await backedUp(), ['new']);
});

test('a blob whose file is lost is told, and the rest is in the backup', async (t) => {
  const { run, blobs, backedUp, pushBlob } = await makeRegistry(t);
  await pushBlob('lost');
  await pushBlob('stays');
  const lost = await blobs.find(digestOf('lost'));
  assert.ok(lost !== undefined && (await blobs.delete(lost)));
  const report = await writeBackup(run);
  assert.deepEqual(
    report.lost.map(({ blob, isMissing }) => [blob.digest, isMissing]),
    [[digestOf('lost'), true]],
  );
  assert.deepEqual(await backedUp(), ['stays']);
});

/** A registry of blobs in `app`, whose content is its name, and a place for its backup. */
async function makeRegistry(t: TestContext) {
  const folder = await makeTempDir(t, 'backup');
  const database = await openDatabase({ file: join(folder, 'catalog.sqlite') });
  defer(t, () => database.destroy());
  const catalog = await openCatalog(database);
  const blobs = new BlobStore(await openFilesystemDriver(join(folder, 'data')));
  const content = new ContentStore(catalog, blobs);
  const copies = new BlobStore(await openFilesystemDriver(join(folder, 'backup')));
  const catalogFile = join(folder, 'backup/catalog.sqlite');
  const run: BackupRun = {
    catalog,
    copyCatalog: (file) => writeCatalogFile(database, file),
    catalogFile,
    content: { from: blobs, to: copies },
    signal: new AbortController().signal,
    onProgress: () => {},
  };
  return {
    run,
    blobs,
    sweep: () => collectGarbage({ catalog, blobs, policy: garbagePolicy(0, true) }),
    pushBlob: (text: string) => content.putBlob('app', Buffer.from(text), digestOf(text)),
    /** A manifest that needs nothing. */
    pushTagged: (text: string) =>
      content.putManifest(
        'app',
        { bytes: Buffer.from(text), digest: digestOf(text), mediaType: 'application/json', references: [] },
        { tags: [text], requireManifests: false },
      ),
    unlink: (text: string) => catalog.blobs.unlink('app', digestOf(text)),
    /** What the backup has, by its own catalog and in its own files. */
    backedUp: async () => {
      const copy = await openSqliteCatalog({ file: catalogFile });
      const found: string[] = [];
      for (const text of ['goes', 'lost', 'new', 'old', 'stays']) {
        const blob = await copy.blobs.find('app', digestOf(text));
        if (blob !== undefined && (await copies.holds(blob))) found.push(text);
      }
      await copy.close();
      return found;
    },
  };
}
