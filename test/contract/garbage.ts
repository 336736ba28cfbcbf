import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import type { ManifestReference } from '../../oci/manifest.ts';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Database } from '../../storage/catalog/database.ts';
import type { GarbageCatalog } from '../../storage/catalog/garbage-catalog.ts';
import { ContentStore } from '../../storage/content-store.ts';
import { collectGarbage, type GarbagePolicy } from '../../storage/gc/collect-garbage.ts';
import { garbagePolicy } from '../../storage/gc/garbage-policy.ts';
import { digestOf } from '../support/content.ts';
import { MemoryBlobDriver, MemoryDisk } from '../support/memory-blob-driver.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

interface GarbageWorld {
  readonly knex: Database;
  readonly catalog: Catalog;
  readonly disk: MemoryDisk;
}

/** What a garbage collection does with a catalog, an empty one for each test, over a disk in memory. */
export function describeGarbage(name: string, open: () => Promise<Omit<GarbageWorld, 'disk'>>): void {
  describe(`garbage of ${name}`, () => {
    let world: GarbageWorld;
    let blobs: BlobStore;
    let content: ContentStore;
    beforeEach(async () => {
      mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 });
      world = { ...(await open()), disk: new MemoryDisk() };
      blobs = new BlobStore(new MemoryBlobDriver(world.disk));
      content = new ContentStore(world.catalog, blobs);
    });
    afterEach(async () => {
      await world.catalog.close();
      mock.timers.reset();
    });

    const pass = (milliseconds: number) => mock.timers.tick(milliseconds);
    const pushBlob = (text: string) => content.putBlob('app', Buffer.from(text), digestOf(text));
    const refer = (kind: ManifestReference['kind'], text: string): ManifestReference => ({
      kind,
      digest: digestOf(text),
    });
    const pushManifest = (
      text: string,
      tags: readonly string[],
      ...references: readonly ManifestReference[]
    ) =>
      content.putManifest(
        'app',
        { bytes: Buffer.from(text), digest: digestOf(text), mediaType: MEDIA_TYPES.ociManifest, references },
        { tags, requireManifests: false },
      );
    const collect = (untagged: boolean, policy: Partial<GarbagePolicy> = {}) =>
      collectGarbage({ ...world, blobs, policy: { ...garbagePolicy(DAY, untagged), ...policy } });
    const has = async (text: string) => (await world.catalog.blobs.find('app', digestOf(text))) !== undefined;
    const present = async (...texts: readonly string[]) => {
      const found: string[] = [];
      for (const text of texts) if (await has(text)) found.push(text);
      return found;
    };

    test('unreferenced content is deleted after the grace period, and its bytes are counted', async () => {
      await pushBlob('loose');
      await pushBlob('layer');
      await pushManifest('image', ['1'], refer('layer', 'layer'));
      pass(DAY - 1);
      assert.deepEqual(await collect(true), {
        manifests: 0,
        links: 0,
        blobs: 0,
        bytes: 0,
        leftovers: 0,
        uploads: 0,
        keptUploads: 0,
        keptUploadBytes: 0,
        tagChanges: 0,
        repositories: 0,
      });
      pass(1);
      assert.deepEqual(await collect(true), {
        manifests: 0,
        links: 1,
        blobs: 1,
        bytes: 5,
        leftovers: 0,
        uploads: 0,
        keptUploads: 0,
        keptUploadBytes: 0,
        tagChanges: 0,
        repositories: 0,
      });
      assert.deepEqual(await present('loose', 'layer', 'image'), ['layer', 'image']);
      assert.deepEqual(
        new Set([...world.disk.files.values()].map(({ digest }) => digest)),
        new Set([digestOf('layer'), digestOf('image')]),
      );
    });

    test('a push, a mount or a HEAD by a pusher restarts the grace period', async () => {
      for (const text of ['pushed', 'mounted', 'looked at', 'left']) await pushBlob(text);
      pass(20 * HOUR);
      await pushBlob('pushed');
      await world.catalog.blobs.mount('app', 'app', digestOf('mounted'));
      await world.catalog.blobs.findToRefer('app', digestOf('looked at'));
      await world.catalog.blobs.find('app', digestOf('left'));
      pass(5 * HOUR);
      await collect(false);
      assert.deepEqual(await present('pushed', 'mounted', 'looked at', 'left'), [
        'pushed',
        'mounted',
        'looked at',
      ]);
    });

    test('HEAD requests within a minute write nothing', async () => {
      await pushBlob('layer');
      const touchedAt = async () => (await world.knex('blob_links').first('touched_at')).touched_at;
      const first = await touchedAt();
      pass(MINUTE - 1);
      await world.catalog.blobs.findToRefer('app', digestOf('layer'));
      assert.equal(await touchedAt(), first);
      pass(1);
      await world.catalog.blobs.findToRefer('app', digestOf('layer'));
      assert.equal(await touchedAt(), first + MINUTE);
    });

    test('content that loses its last tag or reference stays for a whole grace period from then', async () => {
      await pushBlob('layer');
      await pushManifest('old', ['1'], refer('layer', 'layer'));
      await pushBlob('other');
      await pushManifest('deleted', ['2'], refer('layer', 'other'));
      pass(10 * DAY);
      await pushManifest('new', ['1']);
      await world.catalog.manifests.delete('app', digestOf('deleted'));
      pass(DAY - 1);
      await collect(true);
      assert.deepEqual(await present('old', 'layer', 'other'), ['old', 'layer', 'other']);
      pass(1);
      await collect(true);
      assert.deepEqual(await present('old', 'layer', 'other', 'new'), ['new']);
    });

    test('manifests without a tag stay unless the policy says otherwise', async () => {
      await pushManifest('untagged', []);
      pass(2 * DAY);
      await collect(false);
      assert.ok(await has('untagged'));
      await collect(true);
      assert.equal(await has('untagged'), false);
    });

    test('members of an index and referrers stay as long as it, and are deleted with it', async () => {
      await pushBlob('layer');
      await pushManifest('member', [], refer('layer', 'layer'));
      await pushManifest('inner index', [], refer('manifest', 'member'));
      await pushManifest('index', ['1'], refer('manifest', 'inner index'));
      await pushManifest('signature', [], refer('subject', 'member'));
      await pushManifest('signature of the signature', [], refer('subject', 'signature'));
      await pushManifest('signature of nothing', [], refer('subject', 'never pushed'));
      pass(2 * DAY);
      const all = ['layer', 'member', 'inner index', 'index', 'signature', 'signature of the signature'];
      assert.equal((await collect(true))?.manifests, 1);
      assert.deepEqual(await present(...all, 'signature of nothing'), all);
      await world.catalog.tags.delete('app', '1');
      pass(2 * DAY);
      assert.equal((await collect(true))?.manifests, 5);
      assert.deepEqual(await present(...all), []);
      assert.equal(world.disk.files.size, 0);
    });

    test('an index may list blobs, as build caches do: they stay', async () => {
      await pushBlob('cached layer');
      await pushManifest('cache', ['cache'], refer('manifest', 'cached layer'));
      pass(2 * DAY);
      await collect(true);
      assert.ok(await has('cached layer'));
    });

    test('a manifest that another one has as its layer stays', async () => {
      await pushManifest('inner', []);
      await pushManifest('outer', ['1'], refer('layer', 'inner'));
      pass(2 * DAY);
      await collect(true);
      assert.ok(await has('inner'));
    });

    test('a foreign layer stays when it is stored here, and need not be stored', async () => {
      await pushBlob('foreign layer');
      await pushManifest('image', ['1'], refer('foreign-layer', 'foreign layer'));
      await pushManifest('other image', ['2'], refer('foreign-layer', 'never pushed'));
      pass(2 * DAY);
      await collect(true);
      assert.deepEqual(await present('foreign layer', 'image', 'other image'), [
        'foreign layer',
        'image',
        'other image',
      ]);
      await world.catalog.tags.delete('app', '1');
      pass(2 * DAY);
      await collect(true);
      assert.deepEqual(await present('foreign layer', 'image', 'other image'), ['other image']);
    });

    test('the history of a deleted tag is kept for ninety days, that of others as long as the tag exists', async () => {
      await pushManifest('first', ['kept', 'deleted', 'back']);
      await pushManifest('second', ['kept', 'deleted', 'back']);
      await world.catalog.tags.delete('app', 'deleted');
      await world.catalog.tags.delete('app', 'back');
      const changes = async () =>
        Promise.all(
          ['kept', 'deleted', 'back'].map(
            async (tag) => (await world.catalog.tags.history('app', tag, 9)).length,
          ),
        );
      pass(90 * DAY - 1);
      assert.equal((await collect(true))?.tagChanges, 0);
      assert.deepEqual(await changes(), [2, 3, 3]);
      await pushManifest('second', ['back']);
      pass(1);
      assert.equal((await collect(true))?.tagChanges, 3);
      assert.deepEqual(await changes(), [2, 0, 4]);
    });

    test('an empty repository exists until all of its records are deleted, and again after a push', async () => {
      await pushManifest('image', ['1']);
      await content.putBlob('blobs', Buffer.from('loose'), digestOf('loose'));
      await world.catalog.manifests.delete('app', digestOf('image'));
      pass(DAY);
      assert.equal((await collect(true))?.repositories, 1);
      const { repositories } = world.catalog;
      assert.deepEqual([await repositories.exists('app'), await repositories.exists('blobs')], [true, false]);
      assert.deepEqual(await repositories.list({ limit: 9 }), { names: [], more: false });
      pass(90 * DAY);
      assert.equal((await collect(true))?.repositories, 1);
      assert.equal(await repositories.exists('app'), false);
      await pushManifest('image', ['1']);
      assert.deepEqual(await repositories.list({ limit: 9 }), { names: ['app'], more: false });
    });

    test('many changes and repositories are deleted in batches; repositories with content stay', async () => {
      for (let count = 0; count < 60; count += 1) {
        const digest = digestOf(`image ${count}`);
        const manifest = { bytes: Buffer.from(`image ${count}`), digest, mediaType: MEDIA_TYPES.ociManifest };
        const put = { ...manifest, references: [] };
        await content.putManifest(`app/${count}`, put, { tags: ['1'], requireManifests: false });
        if (count % 3 > 0) await world.catalog.manifests.delete(`app/${count}`, digest);
      }
      pass(91 * DAY);
      const report = await collect(true);
      assert.deepEqual([report?.tagChanges, report?.repositories], [80, 40]);
      assert.equal((await world.knex('tag_history')).length, 20);
      assert.equal((await world.catalog.repositories.list({ limit: 99 })).names.length, 20);
    });

    test('content that another repository has stays there', async () => {
      await pushBlob('layer');
      await world.catalog.blobs.mount('app', 'other', digestOf('layer'));
      await world.catalog.blobs.unlink('app', digestOf('layer'));
      await collect(true);
      const blob = await world.catalog.blobs.find('other', digestOf('layer'));
      assert.ok(blob && (await blobs.holds(blob)));
    });

    test('uploads are deleted after a day without use, and never before', async () => {
      const upload = await blobs.begin();
      await world.catalog.uploads.create('app', upload);
      const unrecorded = await blobs.begin();
      pass(DAY - 1);
      assert.equal((await collect(false, { orphanAgeMs: DAY, graceMs: 0 }))?.uploads, 0);
      pass(2);
      assert.equal((await collect(false))?.uploads, 2);
      assert.equal(world.disk.uploads.size, 0);
      await assert.rejects(blobs.append(unrecorded, stream('x')), /no upload/);
    });

    test('old files without a record are deleted, files of a running push never', async () => {
      const upload = await blobs.append(await blobs.begin(), stream('lost'));
      await blobs.commit(upload, digestOf('lost'));
      const begun = await blobs.begin();
      await world.catalog.uploads.create('app', begun);
      const running = await blobs.append(begun, stream('running'));
      await world.catalog.uploads.update(running, 0);
      const file = await blobs.commit(running, digestOf('running'));
      pass(HOUR - 1);
      assert.equal((await collect(false, garbagePolicy(0, false)))?.leftovers, 0);
      pass(1);
      const report = await collect(false, garbagePolicy(0, false));
      assert.deepEqual([report?.leftovers, report?.bytes], [1, 4]);
      assert.ok(await blobs.holds(file));
      await content.commitUpload('app', running, digestOf('running'));
      assert.ok(await has('running'));
    });

    test('one process at a time collects garbage; another takes over when it dies', async () => {
      await pushBlob('loose');
      pass(2 * DAY);
      await world.catalog.garbage.takeLease({ name: 'garbage-collection', holder: 'another' }, 600_000);
      assert.equal(await collect(false), undefined);
      assert.ok(await has('loose'));
      // Leases run out by the clock of the database.
      await world.knex('leases').update({ expires_at: 0 });
      assert.equal((await collect(false))?.blobs, 1);
      assert.deepEqual(await world.knex('leases'), []);
    });

    test('a process that has lost its lease deletes nothing more', async () => {
      for (let count = 0; count < 60; count += 1) await pushBlob(`loose ${count}`);
      pass(2 * DAY);
      const { garbage, uploads } = world.catalog;
      const sweepLinks: GarbageCatalog['sweepLinks'] = async (window, before) => {
        const swept = await garbage.sweepLinks(window, before);
        await world.knex('leases').update({ holder: 'another' });
        return swept;
      };
      const losing = new Proxy(garbage, {
        get: (target, key) =>
          key === 'sweepLinks' ? sweepLinks : Reflect.get(target, key, target).bind(target),
      });
      const run = { catalog: { garbage: losing, uploads }, blobs, policy: garbagePolicy(DAY, false) };
      await assert.rejects(collectGarbage(run), { name: 'LeaseLostError' });
      assert.equal((await world.knex('blob_links')).length, 35);
    });

    test('an aborted collection stops, and releases the lease', async () => {
      await pushBlob('loose');
      pass(2 * DAY);
      const stopping = new AbortController();
      const onStep = () => stopping.abort(new Error('enough'));
      const run = { ...world, blobs, policy: garbagePolicy(DAY, true), signal: stopping.signal, onStep };
      await assert.rejects(collectGarbage(run), /enough/);
      assert.ok(await has('loose'));
      assert.equal((await collect(false))?.blobs, 1);
    });

    async function* stream(text: string) {
      yield Buffer.from(text);
    }
  });
}
