import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from '../../oci/digest.ts';
import type { ManifestReference } from '../../oci/manifest.ts';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import type { StoredBlob } from '../../storage/blobs/blob-driver.ts';
import type {
  Catalog,
  FileClaim,
  FoundManifest,
  ManifestRecord,
  NamePage,
  Page,
  ReferrerPage,
} from '../../storage/catalog/catalog.ts';
import type { Precondition } from '../../storage/catalog/preconditions.ts';
import {
  ManifestBlobUnknownError,
  PreconditionFailedError,
  UploadBusyError,
  UploadUnknownError,
} from '../../storage/errors.ts';
import { digestOf } from '../support/content.ts';

/** One empty database, for one test. */
export interface CatalogHarness {
  readonly catalog: Catalog;
  /** Another catalog over the same database, as another process has it at the same time. The harness closes it. */
  reopen(): Promise<Catalog>;
  close(): Promise<void>;
}

function blobOf(text: string): StoredBlob {
  return { digest: digestOf(text), size: text.length, location: `somewhere/${text}` };
}

function found({ references: _, ...record }: ManifestRecord): FoundManifest {
  return record;
}

function manifestOf(text: string, references: readonly ManifestReference[] = []): ManifestRecord {
  return { blob: blobOf(text), mediaType: MEDIA_TYPES.ociManifest, references };
}

function refer(kind: ManifestReference['kind'], text: string): ManifestReference {
  return { kind, digest: digestOf(text) };
}

/** All names, page by page. */
async function walk(list: (page: Page) => Promise<NamePage>, limit: number): Promise<string[]> {
  const found: string[] = [];
  for (let after: string | undefined; ; after = found.at(-1)) {
    const page = await list(after === undefined ? { limit } : { limit, after });
    found.push(...page.names);
    assert.ok(page.names.length <= limit);
    if (!page.more) return found;
    assert.equal(page.names.length, limit);
  }
}

/** A claim that does not hold any more, and one that does. */
const LATE: FileClaim = { kind: 'deadline', until: new Date(0) };
const soon = (): FileClaim => ({ kind: 'deadline', until: new Date(Date.now() + 60_000) });

const ALL = { limit: 1000 };
const PLAIN = { tags: [], requireManifests: true } as const;

/** What every Catalog promises; see storage/catalog/catalog.ts. */
export function describeCatalog(name: string, open: () => Promise<CatalogHarness>): void {
  describe(`${name} as a Catalog`, () => {
    let harness: CatalogHarness;
    let catalog: Catalog;

    beforeEach(async () => {
      harness = await open();
      catalog = harness.catalog;
    });

    afterEach(() => harness.close());

    const put = (repository: string, text: string, ...tags: readonly string[]) =>
      catalog.manifests.put(repository, manifestOf(text), { tags, requireManifests: true });

    async function tagsOf(repository: string): Promise<readonly string[]> {
      return (await catalog.tags.list(repository, { limit: 10_000 })).names;
    }

    describe('repositories', () => {
      test('are made by a link and by a manifest, and listed when they have a manifest', async () => {
        assert.equal(await catalog.repositories.exists('team/app'), false);
        assert.deepEqual(await catalog.repositories.list({ limit: 10 }), { names: [], more: false });
        await catalog.blobs.link('team/blobs-only', blobOf('layer'));
        await put('team/app', 'manifest');
        await put('team/tagged', 'manifest', 'v1');
        assert.equal(await catalog.repositories.exists('team/blobs-only'), true);
        assert.equal(await catalog.repositories.exists('team/app'), true);
        assert.deepEqual(await catalog.repositories.list({ limit: 10 }), {
          names: ['team/app', 'team/tagged'],
          more: false,
        });
        await catalog.manifests.delete('team/app', digestOf('manifest'));
        assert.deepEqual((await catalog.repositories.list({ limit: 10 })).names, ['team/tagged']);
      });

      test('are listed in byte order, in pages', async () => {
        const names = ['a', 'a-b', 'a.b', 'a/b', 'a/b/c', 'a0', 'a_b', 'aa', 'b', 'z9', '0', '0/z'];
        for (const repository of names) await put(repository, 'manifest');
        const ordered = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        for (const limit of [1, 5, 6, 12, 100]) {
          assert.deepEqual(await walk((page) => catalog.repositories.list(page), limit), ordered);
        }
        assert.deepEqual(await catalog.repositories.list({ limit: 0 }), { names: [], more: true });
        assert.deepEqual(await catalog.repositories.list({ limit: 5, after: 'zz' }), {
          names: [],
          more: false,
        });
        assert.deepEqual((await catalog.repositories.list({ limit: 2, after: 'a/a' })).names, [
          'a/b',
          'a/b/c',
        ]);
      });
    });

    describe('searching repositories', () => {
      test('finds names and descriptions of listed repositories, in any case', async () => {
        await catalog.blobs.link('team/blobs-only', blobOf('layer'));
        for (const name of ['team/app', 'team/tool', 'web']) await put(name, 'manifest');
        await catalog.repositories.describe('web', 'The TEAM page: 100% of it');
        await catalog.repositories.describe('none', 'nothing');
        const find = async (text: string, page: Page = { limit: 10 }) =>
          (await catalog.repositories.search(text, page)).map(({ name }) => name);
        assert.deepEqual(await find('Team'), ['team/app', 'team/tool', 'web']);
        assert.deepEqual(await find('TOOL'), ['team/tool']);
        assert.deepEqual(await find('0% of'), ['web']);
        assert.deepEqual(await find(''), ['team/app', 'team/tool', 'web']);
        assert.deepEqual(await find('team', { limit: 1, after: 'team/app' }), ['team/tool']);
        for (const text of ['_', 't_am', 't%m', '\\', "'", 'nothing']) assert.deepEqual(await find(text), []);
        assert.deepEqual(await catalog.repositories.search('web', { limit: 1 }), [
          { name: 'web', description: 'The TEAM page: 100% of it' },
        ]);
        assert.deepEqual(await catalog.repositories.search('app', { limit: 1 }), [{ name: 'team/app' }]);
      });
    });

    describe('blobs', () => {
      test('are found where they are linked, and anywhere', async () => {
        const blob: StoredBlob = { digest: digestOf('layer'), size: 6_000_000_000_000, location: 'key/ü' };
        await catalog.blobs.link('team/app', blob);
        assert.deepEqual(await catalog.blobs.find('team/app', blob.digest), blob);
        assert.deepEqual(await catalog.blobs.findAnywhere(blob.digest), blob);
        assert.equal(await catalog.blobs.find('team/other', blob.digest), undefined);
        assert.equal(await catalog.blobs.find('team/app', digestOf('other')), undefined);
        assert.equal(await catalog.blobs.findAnywhere(digestOf('other')), undefined);
      });

      test('may be linked again; the location of the first commit is kept and returned', async () => {
        const blob = blobOf('layer');
        assert.deepEqual(await catalog.blobs.link('team/app', blob), blob);
        const second = { ...blob, location: 'elsewhere' };
        assert.deepEqual(await catalog.blobs.link('team/app', second), blob);
        assert.deepEqual(await catalog.blobs.link('team/other', second), blob);
        assert.deepEqual(await catalog.blobs.find('team/other', blob.digest), blob);
      });

      test('are relocated from their location, but not from another', async () => {
        const [lost, found] = [blobOf('layer'), { ...blobOf('layer'), size: 7, location: 'elsewhere' }];
        await catalog.blobs.link('team/app', lost);
        assert.equal(await catalog.blobs.relocate({ ...lost, location: 'third' }, found, soon()), false);
        assert.deepEqual(await catalog.blobs.find('team/app', lost.digest), lost);
        await assert.rejects(catalog.blobs.relocate(lost, found, LATE), UploadUnknownError);
        assert.deepEqual(await catalog.blobs.find('team/app', lost.digest), lost);
        assert.equal(await catalog.blobs.relocate(lost, found, soon()), true);
        assert.deepEqual(await catalog.blobs.find('team/app', lost.digest), found);
      });

      test('delete the record of their upload, and are refused without it', async () => {
        const upload = { id: randomUUID(), size: 5, detail: '' };
        await catalog.uploads.create('team/app', upload);
        const claim = { kind: 'upload', id: upload.id } as const;
        await catalog.blobs.link('team/app', blobOf('layer'), claim);
        assert.equal(await catalog.uploads.find('team/app', upload.id), undefined);
        await assert.rejects(catalog.blobs.link('team/new', blobOf('layer'), claim), UploadUnknownError);
        await assert.rejects(catalog.blobs.link('team/new', blobOf('other'), claim), UploadUnknownError);
        assert.equal(await catalog.repositories.exists('team/new'), false);
        assert.equal(await catalog.blobs.findAnywhere(digestOf('other')), undefined);
      });

      test('are refused after their deadline', async () => {
        await assert.rejects(catalog.blobs.link('team/app', blobOf('layer'), LATE), UploadUnknownError);
        assert.equal(await catalog.blobs.findAnywhere(digestOf('layer')), undefined);
        const options = { ...PLAIN, claim: LATE };
        await assert.rejects(catalog.manifests.put('team/app', manifestOf('m'), options), UploadUnknownError);
        assert.equal(await catalog.repositories.exists('team/app'), false);
        await catalog.blobs.link('team/app', blobOf('layer'), soon());
      });

      test('are found by pushers that refer to them', async () => {
        await catalog.blobs.link('team/app', blobOf('layer'));
        assert.deepEqual(await catalog.blobs.findToRefer('team/app', digestOf('layer')), blobOf('layer'));
        assert.equal(await catalog.blobs.findToRefer('team/other', digestOf('layer')), undefined);
      });

      test('that are manifests are not unlinked as blobs', async () => {
        await put('team/app', 'manifest', 'v1');
        assert.equal(await catalog.blobs.unlink('team/app', digestOf('manifest')), false);
        assert.deepEqual(await catalog.manifests.findByTag('team/app', 'v1'), manifestOf('manifest'));
      });

      test('have sizes that are read for many at once, in one repository', async () => {
        const texts = Array.from({ length: 500 }, (_, index) => `layer ${index}`);
        for (const text of texts.slice(0, 3)) await catalog.blobs.link('team/app', blobOf(text));
        await catalog.blobs.link('team/other', blobOf('layer 4'));
        assert.deepEqual(
          await catalog.blobs.sizes(
            'team/app',
            texts.map((text) => digestOf(text)),
          ),
          new Map(texts.slice(0, 3).map((text) => [digestOf(text), text.length])),
        );
      });

      test('are known by the repositories that hold them', async () => {
        const holders = new Set(['z', 'team/b', 'team/a']);
        for (const name of holders) await catalog.blobs.link(name, blobOf('layer'));
        await catalog.blobs.link('team/c', blobOf('another'));
        assert.deepEqual(new Set(await catalog.blobs.holders(digestOf('layer'), 10)), holders);
        assert.equal((await catalog.blobs.holders(digestOf('layer'), 2)).length, 2);
        assert.deepEqual(await catalog.blobs.holders(digestOf('none'), 5), []);
      });

      test('are mounted from a repository that has them', async () => {
        const blob = blobOf('layer');
        await catalog.blobs.link('team/from', blob);
        assert.deepEqual(await catalog.blobs.mount('team/from', 'team/to', blob.digest), blob);
        assert.deepEqual(await catalog.blobs.mount('team/from', 'team/to', blob.digest), blob);
        assert.deepEqual(await catalog.blobs.find('team/to', blob.digest), blob);
      });

      test('are not mounted, and nothing changes, from one that does not', async () => {
        await catalog.blobs.link('team/else', blobOf('layer'));
        await catalog.blobs.link('team/from', blobOf('other'));
        for (const from of ['team/from', 'team/unknown', 'team/to']) {
          assert.equal(await catalog.blobs.mount(from, 'team/to', digestOf('layer')), undefined);
        }
        assert.equal(await catalog.repositories.exists('team/to'), false);
      });

      test('lose a link and keep the others', async () => {
        const blob = blobOf('layer');
        await catalog.blobs.link('team/a', blob);
        await catalog.blobs.link('team/b', blob);
        assert.equal(await catalog.blobs.unlink('team/a', blob.digest), true);
        assert.equal(await catalog.blobs.unlink('team/a', blob.digest), false);
        assert.equal(await catalog.blobs.unlink('team/unknown', blob.digest), false);
        assert.equal(await catalog.blobs.find('team/a', blob.digest), undefined);
        assert.deepEqual(await catalog.blobs.find('team/b', blob.digest), blob);
        assert.deepEqual(await catalog.blobs.findAnywhere(blob.digest), blob);
      });
    });

    describe('manifests', () => {
      test('come back as they were put, by digest and by tag', async () => {
        await catalog.blobs.link('team/app', blobOf('config'));
        await catalog.blobs.link('team/app', blobOf('layer 1'));
        await catalog.blobs.link('team/app', blobOf('layer 2'));
        const record: ManifestRecord = {
          blob: blobOf('manifest'),
          mediaType: MEDIA_TYPES.ociManifest,
          artifactType: 'application/vnd.example+json',
          annotations: { 'org.example.note': 'tide’s "out"', constructor: '', empty: '' },
          references: [
            refer('config', 'config'),
            refer('layer', 'layer 2'),
            refer('layer', 'layer 1'),
            refer('layer', 'config'),
            refer('subject', 'not there'),
          ],
        };
        await catalog.manifests.put('team/app', record, { tags: ['v1', 'latest'], requireManifests: true });
        const digest = record.blob.digest;
        assert.deepEqual(await catalog.manifests.findByDigest('team/app', digest), record);
        assert.deepEqual(await catalog.manifests.findByTag('team/app', 'v1'), record);
        assert.deepEqual(await catalog.manifests.findByTag('team/app', 'latest'), record);
        assert.deepEqual(await catalog.blobs.find('team/app', digest), record.blob);
      });

      test('are found only in their repository, and under their tags', async () => {
        await put('team/app', 'manifest', 'v1');
        await put('team/other', 'other', 'v2');
        assert.equal(await catalog.manifests.findByDigest('team/other', digestOf('manifest')), undefined);
        assert.equal(await catalog.manifests.findByDigest('team/none', digestOf('manifest')), undefined);
        assert.equal(await catalog.manifests.findByTag('team/other', 'v1'), undefined);
        assert.equal(await catalog.manifests.findByTag('team/app', 'V1'), undefined);
        await catalog.blobs.link('team/app', blobOf('layer'));
        assert.equal(await catalog.manifests.findByDigest('team/app', digestOf('layer')), undefined);
      });

      test('with missing content are refused with a list of it, and nothing changes', async () => {
        await catalog.blobs.link('team/app', blobOf('layer 1'));
        await catalog.blobs.link('team/other', blobOf('layer 2'));
        const missing = ['config', 'layer 2', ...Array.from({ length: 450 }, (_, index) => `more ${index}`)];
        const record = manifestOf('manifest', [
          refer('config', 'config'),
          refer('layer', 'layer 1'),
          ...missing.slice(1).map((text) => refer('layer', text)),
          refer('subject', 'not needed'),
        ]);
        await assert.rejects(
          catalog.manifests.put('team/app', record, { tags: ['v1'], requireManifests: true }),
          (error) => {
            assert.ok(error instanceof ManifestBlobUnknownError);
            assert.deepEqual(new Set(error.missing), new Set(missing.map((text) => digestOf(text))));
            assert.equal(error.missing.length, missing.length);
            return true;
          },
        );
        await assert.rejects(catalog.manifests.put('team/new', record, PLAIN), ManifestBlobUnknownError);
        assert.deepEqual(await tagsOf('team/app'), []);
        assert.equal(await catalog.blobs.findAnywhere(digestOf('manifest')), undefined);
        assert.equal(await catalog.repositories.exists('team/new'), false);
      });

      test('of an index must be there as manifests, unless it may be sparse', async () => {
        await put('team/app', 'member 1');
        await catalog.blobs.link('team/app', blobOf('member 2'));
        const index: ManifestRecord = {
          ...manifestOf('index', [refer('manifest', 'member 1'), refer('manifest', 'member 2')]),
          mediaType: MEDIA_TYPES.ociIndex,
        };
        await assert.rejects(catalog.manifests.put('team/app', index, PLAIN), (error) => {
          assert.ok(error instanceof ManifestBlobUnknownError);
          assert.deepEqual(error.missing, [digestOf('member 2')]);
          return true;
        });
        await catalog.manifests.put('team/app', index, { tags: [], requireManifests: false });
        assert.deepEqual(await catalog.manifests.findByDigest('team/app', index.blob.digest), index);
      });

      test('may be put again, with more tags', async () => {
        await put('team/app', 'manifest', 'v1');
        await put('team/app', 'manifest', 'v2');
        await put('team/app', 'manifest');
        assert.deepEqual(await tagsOf('team/app'), ['v1', 'v2']);
        const changed = { ...manifestOf('manifest'), mediaType: MEDIA_TYPES.ociIndex };
        await catalog.manifests.put('team/app', changed, PLAIN);
        assert.deepEqual(await catalog.manifests.findByTag('team/app', 'v1'), changed);
      });

      test('take a tag over from another', async () => {
        await put('team/app', 'one', 'latest', 'v1');
        await put('team/app', 'two', 'latest');
        assert.deepEqual(await catalog.manifests.findByTag('team/app', 'latest'), manifestOf('two'));
        assert.deepEqual(await catalog.manifests.findByTag('team/app', 'v1'), manifestOf('one'));
        assert.deepEqual(await tagsOf('team/app'), ['latest', 'v1']);
      });

      test('are deleted with their tags, in their repository only', async () => {
        await put('team/app', 'one', 'a', 'b');
        await put('team/app', 'two', 'c');
        await put('team/other', 'one', 'a');
        assert.equal(await catalog.manifests.delete('team/app', digestOf('one')), true);
        assert.equal(await catalog.manifests.delete('team/app', digestOf('one')), false);
        assert.equal(await catalog.manifests.delete('team/none', digestOf('one')), false);
        assert.deepEqual(await tagsOf('team/app'), ['c']);
        assert.equal(await catalog.manifests.findByDigest('team/app', digestOf('one')), undefined);
        assert.equal(await catalog.manifests.findByTag('team/app', 'a'), undefined);
        assert.equal(await catalog.blobs.find('team/app', digestOf('one')), undefined);
        assert.deepEqual(await catalog.manifests.findByTag('team/other', 'a'), manifestOf('one'));
        await put('team/app', 'one', 'a');
        assert.deepEqual(await tagsOf('team/app'), ['a', 'c']);
      });

      test('with thousands of references are taken whole', async () => {
        const texts = Array.from({ length: 3_000 }, (_, index) => `layer ${index}`);
        const record = manifestOf(
          'manifest',
          texts.map((text) => refer('manifest', text)),
        );
        await catalog.manifests.put('team/app', record, { tags: [], requireManifests: false });
        assert.deepEqual(await catalog.manifests.findByDigest('team/app', record.blob.digest), record);
      });

      test('refer to a subject, which need not be there', async () => {
        const signature = (text: string, subject: string): ManifestRecord => ({
          ...manifestOf(text, [refer('subject', subject)]),
          artifactType: 'application/vnd.example.signature',
          annotations: { of: subject },
        });
        await catalog.manifests.put('team/app', signature('s1', 'image'), PLAIN);
        await catalog.manifests.put('team/app', signature('s2', 'image'), PLAIN);
        await catalog.manifests.put('team/app', signature('s3', 'another'), PLAIN);
        await catalog.manifests.put('team/other', signature('s4', 'image'), PLAIN);
        const referrersOf = async (...asked: Parameters<typeof catalog.manifests.referrers>) =>
          (await catalog.manifests.referrers(...asked)).records;
        const referrers = await referrersOf('team/app', digestOf('image'), ALL);
        assert.deepEqual(
          new Map(referrers.map((record) => [record.blob.digest, record])),
          new Map(['s1', 's2'].map((text) => [digestOf(text), found(signature(text, 'image'))])),
        );
        assert.equal(referrers.length, 2);
        assert.deepEqual(await referrersOf('team/app', digestOf('none'), ALL), []);
        assert.deepEqual(await referrersOf('team/none', digestOf('image'), ALL), []);
        const [first, second] = referrers;
        assert.ok(first !== undefined && second !== undefined && first.blob.digest < second.blob.digest);
        const page = (more: Omit<ReferrerPage, 'limit'>) =>
          referrersOf('team/app', digestOf('image'), { limit: 1, ...more });
        assert.deepEqual(await page({}), [first]);
        assert.deepEqual(await page({ after: first.blob.digest }), [second]);
        assert.deepEqual(await page({ after: second.blob.digest }), []);
        assert.deepEqual(await page({ artifactType: 'application/other' }), []);
        assert.deepEqual(await page({ artifactType: String(first.artifactType) }), [first]);
        await catalog.manifests.delete('team/app', digestOf('s1'));
        assert.deepEqual(await referrersOf('team/app', digestOf('image'), ALL), [
          found(signature('s2', 'image')),
        ]);
      });

      test('are found without their references', async () => {
        const record = manifestOf('manifest', [refer('subject', 'image')]);
        await catalog.manifests.put('team/app', record, { ...PLAIN, tags: ['v1'] });
        assert.deepEqual(await catalog.manifests.find('team/app', { tag: 'v1' }), found(record));
        assert.deepEqual(
          await catalog.manifests.find('team/app', { digest: record.blob.digest }),
          found(record),
        );
        assert.equal(await catalog.manifests.find('team/app', { tag: 'v2' }), undefined);
      });

      test('that an index lists are read in batches, even if none of a batch exists', async () => {
        const texts = Array.from({ length: 7 }, (_, index) => `member ${index}`);
        const digests = texts.map((text) => digestOf(text)).toSorted();
        const present = texts.filter((text) => digests.indexOf(digestOf(text)) % 3 === 0);
        for (const text of present) await catalog.manifests.put('team/app', manifestOf(text), PLAIN);
        const listed = texts.map((text) => refer('manifest', text));
        const index = { ...manifestOf('index', listed), mediaType: MEDIA_TYPES.ociIndex };
        await catalog.manifests.put('team/app', index, { tags: ['list'], requireManifests: false });
        const seen: string[] = [];
        const ends: (string | undefined)[] = [];
        let after: Digest | undefined;
        do {
          const page = { limit: 2, ...(after && { after }) };
          const { records, lookedUpTo } = await catalog.manifests.listed('team/app', 'list', page);
          seen.push(...records.map(({ blob }) => blob.digest));
          ends.push(lookedUpTo);
          after = lookedUpTo;
        } while (after !== undefined);
        assert.deepEqual(seen, [digests[0], digests[3], digests[6]]);
        assert.deepEqual(ends, [digests[1], digests[3], digests[5], digests[6], undefined]);
        const none = { records: [], lookedUpTo: undefined };
        assert.deepEqual(await catalog.manifests.listed('team/app', 'none', ALL), none);
      });

      test('with large annotations and types are read a few at a time', async () => {
        const count = 6;
        for (let index = 0; index < count; index += 1) {
          const record = manifestOf(`large ${index}`, [refer('subject', 'image')]);
          const padding = 'x'.repeat(100_000);
          const large = index % 2 === 0 ? { annotations: { padding } } : { artifactType: padding };
          await catalog.manifests.put('team/app', { ...record, ...large }, PLAIN);
        }
        const sizes: number[] = [];
        let after: Digest | undefined;
        do {
          const page = { limit: 100, ...(after && { after }) };
          const window = await catalog.manifests.referrers('team/app', digestOf('image'), page);
          sizes.push(window.records.length);
          after = window.lookedUpTo;
        } while (after !== undefined);
        assert.deepEqual(sizes, [2, 2, 2, 0]);
      });
    });

    describe('tags', () => {
      test('are listed in byte order, a thousand of them in pages', async () => {
        const tags = Array.from({ length: 990 }, (_, index) => `build-${index}`);
        tags.push('A', 'a', 'B', '_', '_a', 'a.b', 'a-b', 'Z9', 'z', '0');
        await catalog.manifests.put('team/app', manifestOf('m'), { tags, requireManifests: true });
        await put('team/other', 'm', 'elsewhere');
        const ordered = tags.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        for (const limit of [7, 100, 1_000, 1_001]) {
          assert.deepEqual(await walk((page) => catalog.tags.list('team/app', page), limit), ordered);
        }
        assert.deepEqual(await catalog.tags.list('team/app', { limit: 0 }), { names: [], more: true });
        assert.deepEqual(await catalog.tags.list('team/none', { limit: 9 }), { names: [], more: false });
      });

      test('are deleted without their manifest', async () => {
        await put('team/app', 'manifest', 'v1', 'v2');
        assert.equal(await catalog.tags.delete('team/app', 'v1'), true);
        assert.equal(await catalog.tags.delete('team/app', 'v1'), false);
        assert.equal(await catalog.tags.delete('team/none', 'v2'), false);
        assert.deepEqual(await tagsOf('team/app'), ['v2']);
        assert.ok(await catalog.manifests.findByDigest('team/app', digestOf('manifest')));
      });
    });

    test('one of several conditional writes of a tag in two processes succeeds', async () => {
      const other = await harness.reopen();
      const texts = ['a', 'b', 'c', 'd', 'e', 'f'];
      const put = (text: string, index: number, condition: Precondition) =>
        (index % 2 === 0 ? catalog : other).manifests.put('team/app', manifestOf(text), {
          ...PLAIN,
          tags: ['1'],
          precondition: { tag: '1', ...condition },
        });
      const pointsAt = async () => (await catalog.manifests.findByTag('team/app', '1'))?.blob.digest;
      for (const isMove of [false, true]) {
        const before = isMove ? await pointsAt() : undefined;
        const condition: Precondition = before === undefined ? { isNot: 'anything' } : { is: [before] };
        const others = texts.filter((text) => digestOf(text) !== before);
        const outcomes = await Promise.allSettled(others.map((text, index) => put(text, index, condition)));
        const won = others.filter((_, index) => outcomes[index]?.status === 'fulfilled');
        assert.equal(won.length, 1);
        assert.equal(await pointsAt(), digestOf(won[0] ?? ''));
        for (const outcome of outcomes) {
          if (outcome.status === 'rejected') assert.ok(outcome.reason instanceof PreconditionFailedError);
        }
      }
      const now = await pointsAt();
      await assert.rejects(
        catalog.tags.delete('team/app', '1', undefined, { is: ['other'] }),
        PreconditionFailedError,
      );
      assert.equal(await pointsAt(), now);
      assert.equal(await catalog.tags.delete('team/app', '1', undefined, { is: [now ?? ''] }), true);
    });

    describe('the history of a tag', () => {
      const digestsOf = async (tag: string, limit = 10) =>
        (await catalog.tags.history('team/app', tag, limit)).map(({ digest }) => digest);

      test('lists its former digests, the latest first, and when it was deleted', async () => {
        await put('team/app', 'one', 'v1', 'v2');
        await put('team/app', 'one', 'v1');
        await put('team/app', 'two', 'v1');
        await catalog.tags.delete('team/app', 'v1');
        await catalog.tags.delete('team/app', 'v1');
        await put('team/app', 'one', 'v1');
        await catalog.manifests.delete('team/app', digestOf('one'));
        const [one, two] = [digestOf('one'), digestOf('two')];
        assert.deepEqual(await digestsOf('v1'), [undefined, one, undefined, two, one]);
        assert.deepEqual(await digestsOf('v1', 2), [undefined, one]);
        assert.deepEqual(await digestsOf('v2'), [undefined, one]);
        assert.deepEqual(await digestsOf('v3'), []);
        assert.deepEqual(await catalog.tags.history('team/none', 'v1', 10), []);
        const [last] = await catalog.tags.history('team/app', 'v1', 1);
        assert.ok(last && Math.abs(last.changedAt.getTime() - Date.now()) < 60_000);
        assert.equal(last.who, undefined);
      });

      test('keeps a hundred changes or a few more', async () => {
        for (let round = 0; round < 75; round += 1) {
          await put('team/app', 'one', 'v1');
          await put('team/app', 'two', 'v1');
        }
        const kept = await digestsOf('v1', 1_000);
        assert.ok(kept.length >= 100 && kept.length <= 102, `${kept.length}`);
        assert.equal(kept[0], digestOf('two'));
        // As a pipeline that pushes under one tag and deletes what it has pushed.
        for (let round = 0; round < 75; round += 1) {
          await put('team/app', 'three', 'v3');
          await catalog.manifests.delete('team/app', digestOf('three'));
        }
        const deleted = await digestsOf('v3', 1_000);
        assert.ok(deleted.length >= 100 && deleted.length <= 102, `${deleted.length}`);
      });
    });

    describe('uploads', () => {
      const start = async (repository = 'team/app') => {
        const upload = { id: randomUUID(), size: 0, detail: '' };
        await catalog.uploads.create(repository, upload);
        return upload;
      };

      test('are found in their repository, which they do not make', async () => {
        const upload = await start();
        const found = await catalog.uploads.find('team/app', upload.id);
        assert.deepEqual(found?.upload, upload);
        assert.equal(found.repository, 'team/app');
        assert.ok(Math.abs(found.startedAt.getTime() - Date.now()) < 60_000);
        assert.deepEqual(found.touchedAt, found.startedAt);
        assert.equal(await catalog.uploads.find('team/other', upload.id), undefined);
        assert.equal(await catalog.uploads.find('team/app', randomUUID()), undefined);
        assert.equal(await catalog.repositories.exists('team/app'), false);
      });

      test('are advanced by one writer only', async () => {
        const upload = await start();
        const next = { ...upload, size: 5_000_000_000, detail: '{"parts":["é"]}' };
        await catalog.uploads.update(next, 0);
        assert.deepEqual((await catalog.uploads.find('team/app', upload.id))?.upload, next);
        await assert.rejects(catalog.uploads.update({ ...upload, size: 7 }, 0), UploadBusyError);
        assert.deepEqual((await catalog.uploads.find('team/app', upload.id))?.upload, next);
        await assert.rejects(catalog.uploads.update({ ...upload, id: randomUUID() }, 0), UploadUnknownError);
        await catalog.uploads.update(next, next.size);
        const other = await harness.reopen();
        const moves = await Promise.allSettled(
          [1, 2, 3, 4, 5, 6].map((step) =>
            (step % 2 === 0 ? catalog : other).uploads.update({ ...next, size: next.size + step }, next.size),
          ),
        );
        assert.equal(moves.filter(({ status }) => status === 'fulfilled').length, 1);
        for (const move of moves) {
          if (move.status === 'rejected') assert.ok(move.reason instanceof UploadBusyError);
        }
      });

      test('are deleted once, and unknown afterwards', async () => {
        const upload = await start();
        assert.equal(await catalog.uploads.delete(upload.id), true);
        assert.equal(await catalog.uploads.delete(upload.id), false);
        assert.equal(await catalog.uploads.find('team/app', upload.id), undefined);
        await assert.rejects(catalog.uploads.update({ ...upload, size: 1 }, 0), UploadUnknownError);
      });

      test('are deleted as idle unless somebody has touched them', async () => {
        const upload = await start();
        const record = await catalog.uploads.find('team/app', upload.id);
        assert.ok(record);
        assert.deepEqual(await catalog.uploads.deleteIdle([upload.id], record.touchedAt), new Set());
        assert.ok(await catalog.uploads.find('team/app', upload.id));
        assert.deepEqual(
          await catalog.uploads.deleteIdle([upload.id, 'none'], new Date(Date.now() + 1_000)),
          new Set([upload.id]),
        );
        assert.deepEqual(
          await catalog.uploads.deleteIdle([upload.id], new Date(Date.now() + 1_000)),
          new Set(),
        );
      });

      test('that are idle are listed, the longest first', async () => {
        const first = await start();
        await sleep(3);
        const second = await start('team/other');
        await sleep(3);
        const third = await start();
        await sleep(3);
        await catalog.uploads.update({ ...first, size: 1 }, 0);
        const later = new Date(Date.now() + 1_000);
        const idsOf = async (before: Date, limit: number) =>
          (await catalog.uploads.listIdle(before, limit)).map(({ upload }) => upload.id);
        assert.deepEqual(await idsOf(later, 10), [second.id, third.id, first.id]);
        assert.deepEqual(await idsOf(later, 2), [second.id, third.id]);
        const record = await catalog.uploads.find('team/app', third.id);
        assert.ok(record);
        assert.deepEqual(await idsOf(record.touchedAt, 10), [second.id]);
        assert.equal((await catalog.uploads.listIdle(later, 1))[0]?.repository, 'team/other');
      });
    });

    describe('garbage', () => {
      const lease = { name: 'garbage-collection', holder: 'test' };
      const future = new Date(Date.now() + 3_600_000);

      /** One step of each kind; what it has deleted. */
      async function sweep({ garbage }: Catalog, before: Date) {
        const window = { lease, limit: 10 };
        return {
          manifests: (await garbage.sweepManifests(window, before)).items,
          links: (await garbage.sweepLinks(window, before)).items,
          changes: (await garbage.sweepHistory(window, before)).items,
          repositories: (await garbage.sweepRepositories(window, before)).items,
          blobs: (await garbage.sweepBlobs(window, new Date())).items,
        };
      }

      test('is unreferenced content, old history of tags, and empty repositories', async () => {
        await catalog.garbage.takeLease(lease, 600_000);
        await catalog.blobs.link('team/app', blobOf('layer'));
        await catalog.blobs.link('team/app', blobOf('foreign'));
        const record = manifestOf('kept', [refer('layer', 'layer'), refer('foreign-layer', 'foreign')]);
        await catalog.manifests.put('team/app', record, { ...PLAIN, tags: ['v1'] });
        await catalog.blobs.link('team/empty', blobOf('loose'));
        await put('team/left', 'left', 'v1');
        await catalog.tags.delete('team/left', 'v1');
        const none = { manifests: [], links: [], changes: [], repositories: [], blobs: [] };
        assert.deepEqual(await sweep(catalog, new Date(0)), none);
        assert.deepEqual(await sweep(catalog, future), {
          manifests: [{ repository: 'team/left', digest: digestOf('left') }],
          links: [{ repository: 'team/empty', digest: digestOf('loose') }],
          changes: [
            { repository: 'team/left', tag: 'v1' },
            { repository: 'team/left', tag: 'v1' },
          ],
          repositories: ['team/empty', 'team/left'],
          blobs: [blobOf('left'), blobOf('loose')].sort((a, b) => (a.digest < b.digest ? -1 : 1)),
        });
        assert.deepEqual(await sweep(catalog, future), none);
        assert.deepEqual(await catalog.manifests.findByTag('team/app', 'v1'), record);
        assert.equal(await catalog.repositories.exists('team/left'), false);
      });

      test('is never content of a racing push, and neither side fails', async () => {
        await catalog.garbage.takeLease(lease, 600_000);
        const other = await harness.reopen();
        let pushing = true;
        const push = async (repository: string) => {
          for (let round = 0; round < 8; round += 1) {
            await put(repository, `manifest ${round}`, 'v1');
            assert.ok(await catalog.manifests.findByTag(repository, 'v1'));
            await catalog.manifests.delete(repository, digestOf(`manifest ${round}`));
          }
        };
        const sweeping = (async () => {
          for (; pushing; await sleep(1)) await sweep(other, future);
        })();
        await Promise.all(['team/a', 'team/b', 'team/c'].map(push)).finally(() => {
          pushing = false;
        });
        await sweeping;
        // A step looks at ten rows: how many are left depends on how far the sweeper came beside the pushes.
        for (let steps = 0, swept = 1; swept > 0; steps += 1) {
          assert.ok(steps < 50);
          swept = Object.values(await sweep(other, future)).flat().length;
        }
        for (const repository of ['team/a', 'team/b', 'team/c']) {
          assert.equal(await catalog.repositories.exists(repository), false, repository);
        }
      });
    });

    describe('races', () => {
      test('within a process and between two all succeed', async () => {
        const other = await harness.reopen();
        const sides = [catalog, other];
        const work = Array.from({ length: 24 }, async (_, index) => {
          const side = sides[index % 2] as Catalog;
          await side.blobs.link('new/repository', blobOf('layer'));
          await side.blobs.mount('new/repository', `new/mount-${index % 3}`, digestOf('layer'));
          const record = manifestOf(`manifest ${index % 4}`, [refer('layer', 'layer')]);
          await side.manifests.put('new/repository', record, {
            tags: ['latest', `build-${index}`],
            requireManifests: true,
          });
          return record;
        });
        const records = await Promise.all(work);
        assert.equal((await tagsOf('new/repository')).length, 25);
        const latest = await other.manifests.findByTag('new/repository', 'latest');
        assert.ok(records.some((record) => record.blob.digest === latest?.blob.digest));
        for (const [index, record] of records.entries()) {
          assert.deepEqual(await catalog.manifests.findByTag('new/repository', `build-${index}`), record);
        }
      });

      test('of a put and deletes never leave a tag without its manifest', async () => {
        const other = await harness.reopen();
        await Promise.all([
          ...Array.from({ length: 15 }, () => put('team/app', 'manifest', 'v1')),
          ...Array.from({ length: 15 }, () => other.manifests.delete('team/app', digestOf('manifest'))),
        ]);
        const tagged = (await tagsOf('team/app')).length > 0;
        const present =
          (await catalog.manifests.findByDigest('team/app', digestOf('manifest'))) !== undefined;
        assert.equal(tagged, present);
      });
    });

    test('all records survive a close', async () => {
      await catalog.blobs.link('team/app', blobOf('layer'));
      await put('team/app', 'manifest', 'v1');
      await catalog.close();
      const later = await harness.reopen();
      assert.deepEqual(await later.manifests.findByTag('team/app', 'v1'), manifestOf('manifest'));
      assert.deepEqual(await later.blobs.find('team/app', digestOf('layer')), blobOf('layer'));
    });
  });
}
