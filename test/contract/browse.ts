import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Knex } from 'knex';
import { matchesWildcard } from '../../lib/pattern/wildcard.ts';
import type { ManifestReference } from '../../oci/manifest.ts';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import type { Listed, SortKey, VisibleNames } from '../../storage/catalog/browse/browse-catalog.ts';
import { KnexBrowse } from '../../storage/catalog/browse/knex-browse.ts';
import { recordPulls } from '../../storage/catalog/browse/pull-times.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Actor } from '../../storage/catalog/tag-rule-catalog.ts';
import {
  ManifestUnknownError,
  StorageError,
  TagRefusedError,
  TagRestoreError,
} from '../../storage/errors.ts';
import { collectGarbage } from '../../storage/gc/collect-garbage.ts';
import { digestOf } from '../support/content.ts';

/** One empty database. */
export interface BrowseHarness {
  readonly knex: Knex;
  readonly catalog: Catalog;
  close(): Promise<void>;
}

const ALICE: Actor = { name: 'alice', standing: 'maintainer' };

function visible(...patterns: readonly (readonly string[])[]): VisibleNames {
  const includes = (name: string) =>
    patterns.every((list) => list.some((pattern) => matchesWildcard(pattern, name)));
  return { patterns, includes };
}

const ALL = visible();

/** What every BrowseCatalog promises; see storage/catalog/browse/browse-catalog.ts. */
export function describeBrowse(name: string, open: () => Promise<BrowseHarness>): void {
  describe(`${name} as a BrowseCatalog`, () => {
    let harness: BrowseHarness;
    let catalog: Catalog;
    let browse: KnexBrowse;

    before(async () => {
      harness = await open();
      catalog = harness.catalog;
      browse = new KnexBrowse(harness.knex);
    });
    after(() => harness.close());

    const push = async (
      repository: string,
      text: string,
      layers: readonly string[],
      tags: readonly string[],
    ) => {
      for (const layer of [`config ${text}`, ...layers]) {
        const blob = { digest: digestOf(layer), size: layer.length, location: layer };
        await catalog.blobs.link(repository, blob, undefined, ALICE);
      }
      const refer = (kind: ManifestReference['kind'], content: string) => ({
        kind,
        digest: digestOf(content),
      });
      const references = [refer('config', `config ${text}`), ...layers.map((layer) => refer('layer', layer))];
      const blob = { digest: digestOf(text), size: text.length, location: text };
      const manifest = { blob, mediaType: MEDIA_TYPES.ociManifest, references };
      await catalog.manifests.put(repository, manifest, { tags, requireManifests: true, by: ALICE });
      return blob.digest;
    };
    const pushIndex = async (
      repository: string,
      text: string,
      references: readonly ManifestReference[],
      tags: readonly string[],
    ) => {
      const blob = { digest: digestOf(text), size: text.length, location: text };
      const manifest = { blob, mediaType: MEDIA_TYPES.ociIndex, references };
      await catalog.manifests.put(repository, manifest, { tags, requireManifests: true, by: ALICE });
      return blob.digest;
    };
    const walk = async <Entry extends { readonly name: string }>(
      list: (after: { readonly after?: SortKey }) => Promise<Listed<Entry> | undefined>,
    ) => {
      const names: string[] = [];
      for (let after: SortKey | undefined, pages = 0; pages < 20; pages += 1) {
        const page = await list(after === undefined ? {} : { after });
        assert.ok(page);
        names.push(...page.entries.map((entry) => entry.name));
        if (page.next === undefined) return names;
        after = page.next;
      }
      throw new Error('the list does not end');
    };

    test('repositories are sorted, searched and paged, and those that nobody may see are not there', async () => {
      await push('list/big', 'big', ['a large layer '.repeat(90)], ['1', '2']);
      await push('list/a_b', 'small', ['s'], []);
      await push('list/a-b', 'middle', ['m'.repeat(500)], ['1']);
      await push('hidden/x', 'hidden', ['h'.repeat(900)], ['1']);
      await catalog.repositories.describe('list/big', 'Über 100% of it');
      const lists = visible(['list/*']);
      const names = (options: object) =>
        walk((after) =>
          browse.repositories({ visible: lists, sort: 'name', limit: 2, ...options, ...after }),
        );
      assert.deepEqual(await names({}), ['list/a-b', 'list/a_b', 'list/big']);
      assert.deepEqual(await names({ order: 'descending' }), ['list/big', 'list/a_b', 'list/a-b']);
      assert.deepEqual(await names({ sort: 'size', limit: 1 }), ['list/big', 'list/a-b', 'list/a_b']);
      assert.deepEqual(await names({ sort: 'size', order: 'ascending' }), [
        'list/a_b',
        'list/a-b',
        'list/big',
      ]);
      assert.deepEqual((await names({ sort: 'pushed', limit: 1 })).length, 3);
      for (const [search, found] of [
        ['_', ['list/a_b']],
        ['%', ['list/big']],
        ['00% OF', ['list/big']],
        ['Über', ['list/big']],
        ['über', []],
        ['!', []],
        ['hidden', []],
        ["'; drop table tags; --", []],
      ] as const) {
        assert.deepEqual(await names({ search }), found, search);
      }
      for (const [patterns, found] of [
        [[['hidden/x']], ['hidden/x']],
        [[['list/*', 'list/a-b', 'l*']], ['list/a-b', 'list/a_b', 'list/big']],
        [[['*/x', 'list/a*b']], ['hidden/x', 'list/a-b', 'list/a_b']],
        [[['list/*'], ['*/big', 'hidden/*']], ['list/big']],
        [[['list/*', '*'], ['hidden/*']], ['hidden/x']],
        [[['list/a_']], []],
        [[[]], []],
        [[Array.from({ length: 60 }, (_, i) => `*/${i}`).concat('*/b*g')], ['list/big']],
      ] as const) {
        const seen = await browse.repositories({ visible: visible(...patterns), sort: 'name', limit: 100 });
        const shown = seen.entries.map((entry) => entry.name).filter((one) => /^(?:list|hidden)\//.test(one));
        assert.deepEqual(shown, found, JSON.stringify(patterns).slice(0, 100));
        const { repositories } = await browse.sum(visible(...patterns));
        assert.equal(repositories, seen.entries.length);
      }
    });

    test('tags are found by how they begin, in the repositories that a visitor may see', async () => {
      await push('find/b', 'find b', ['b'], ['rel-1', 'rel-1.2', 'rel-10', 'Rel-1', 'other']);
      await push('find/a', 'find a', ['a'], ['rel-1', 'rel_1']);
      await push('find/c', 'find c', ['c'], ['rel-1.2', 'x-rel-1']);
      const found = async (prefix: string, patterns: readonly (readonly string[])[], limit = 2) => {
        const seen = visible(...patterns);
        const list: string[] = [];
        for (let after: SortKey | undefined; ; ) {
          const page = await browse.findTags({ visible: seen, prefix, limit, ...(after && { after }) });
          list.push(...page.entries.map(({ repository, name }) => `${repository}:${name}`));
          after = page.next;
          if (after === undefined) return list;
        }
      };
      const all = ['find/a:rel-1', 'find/b:rel-1', 'find/b:rel-1.2', 'find/b:rel-10', 'find/c:rel-1.2'];
      for (const limit of [1, 2, 3, 5, 100]) assert.deepEqual(await found('rel-1', [], limit), all);
      assert.deepEqual(await found('rel-1', [['find/a', 'find/c']]), ['find/a:rel-1', 'find/c:rel-1.2']);
      assert.deepEqual(await found('rel-1', [['find/*'], ['*/b']]), all.slice(1, 4));
      assert.deepEqual(await found('rel-1', [['other/*']]), []);
      assert.deepEqual(await found('rel-1', [[]]), []);
      assert.deepEqual(await found('rel_', []), ['find/a:rel_1']);
      assert.deepEqual(await found('rel-2', []), []);
      const seen = visible(['find/b']);
      // A key made by hand, such as of a repository that is hidden, or out of the range, changes nothing else.
      for (const [after, names] of [
        [
          ['find/a', 'zzz'],
          ['rel-1', 'rel-1.2', 'rel-10'],
        ],
        [
          ['find/aa', ''],
          ['rel-1', 'rel-1.2', 'rel-10'],
        ],
        [
          ['find/b', 'a'],
          ['rel-1', 'rel-1.2', 'rel-10'],
        ],
        [
          ['find/b', 'rel-1'],
          ['rel-1.2', 'rel-10'],
        ],
        [['find/b', 'zzz'], []],
        [['find/c', ''], []],
      ] as const) {
        const { entries } = await browse.findTags({ visible: seen, prefix: 'rel-1', limit: 9, after });
        assert.deepEqual(
          entries.map(({ name }) => name),
          names,
          after.join(' '),
        );
      }
    });

    test('a repository has its counts, the size of each blob once, its quotas and rules', async () => {
      await push('one/app', 'first', ['shared layer', 'first layer'], ['1', 'latest']);
      await push('one/app', 'second', ['shared layer', 'second layer'], ['latest']);
      await catalog.quotas.put({ pattern: 'one/*', bytes: 5000 });
      await catalog.tagRules.put({ pattern: 'one/app', tags: 'v*', kind: 'immutable' });
      const found = await browse.repository('one/app');
      assert.ok(found);
      const blobs = [
        'first',
        'config first',
        'first layer',
        'second',
        'config second',
        'second layer',
        'shared layer',
      ];
      const size = blobs.join('').length;
      assert.deepEqual(
        { size: found.size, tags: found.tags, manifests: found.manifests },
        { size, tags: 2, manifests: 2 },
      );
      assert.deepEqual(found.quotas, [{ pattern: 'one/*', bytes: 5000, used: size }]);
      assert.deepEqual(found.tagRules, [{ pattern: 'one/app', tags: 'v*', kind: 'immutable' }]);
      assert.ok(found.lastPush && Date.now() - found.lastPush.getTime() < 60_000);
      assert.equal(await browse.repository('one/none'), undefined);
      await catalog.manifests.delete('one/app', digestOf('second'), ALICE);
      const less = await browse.repository('one/app');
      assert.deepEqual([less?.tags, less?.manifests, less?.size], [1, 1, size - 'second'.length]);
      await catalog.quotas.remove('one/*');
    });

    test('tags have size, platforms, pusher and pulls; they are sorted, searched and paged', async () => {
      const amd = await push('tags/app', 'amd', ['base', 'amd layer'], []);
      const arm = await push('tags/app', 'arm', ['base', 'arm layer'], []);
      await pushIndex(
        'tags/app',
        'the index',
        [
          { kind: 'manifest', digest: amd, platform: 'linux/amd64' },
          { kind: 'manifest', digest: arm, platform: 'linux/arm64/v8' },
        ],
        ['multi', 'RC_1'],
      );
      const digest = await push('tags/app', 'single', ['base'], ['rc-2']);
      const at = new Date(Date.now() - 5000);
      await recordPulls(harness.knex, [
        { repository: 'tags/app', reference: digest, at: new Date(at.getTime() - 1) },
        { repository: 'tags/app', reference: 'rc-2', at },
        { repository: 'tags/app', reference: 'gone', at: new Date() },
        { repository: 'tags/none', reference: '1', at },
      ]);
      await recordPulls(harness.knex, [{ repository: 'tags/app', reference: 'rc-2', at: new Date(1) }]);
      const page = await browse.tags('tags/app', { sort: 'name', limit: 10 });
      assert.deepEqual(
        page?.entries.map(({ pushedAt: _, ...tag }) => tag),
        [
          ['RC_1', digestOf('the index'), MEDIA_TYPES.ociIndex],
          ['multi', digestOf('the index'), MEDIA_TYPES.ociIndex],
          ['rc-2', digest, MEDIA_TYPES.ociManifest],
        ].map(([name, digest, mediaType]) => ({
          name,
          digest,
          mediaType,
          size:
            name === 'rc-2'
              ? 'singleconfig singlebase'.length
              : 'the indexamdarmconfig amdconfig armbaseamd layerarm layer'.length,
          platforms: name === 'rc-2' ? [] : ['linux/amd64', 'linux/arm64/v8'],
          pushedBy: 'alice',
          ...(name === 'rc-2' && { lastPull: at }),
        })),
      );
      assert.deepEqual((await browse.repository('tags/app'))?.lastPull, at);
      assert.deepEqual((await browse.manifest('tags/app', { digest }))?.lastPull, at);
      const names = (options: object) =>
        walk((after) => browse.tags('tags/app', { sort: 'name', limit: 1, ...options, ...after }));
      assert.deepEqual(await names({ search: 'rc' }), ['RC_1', 'rc-2']);
      assert.deepEqual(await names({ search: '_' }), ['RC_1']);
      assert.deepEqual(await names({ order: 'descending' }), ['rc-2', 'multi', 'RC_1']);
      assert.deepEqual((await names({ sort: 'time' })).toSorted(), ['RC_1', 'multi', 'rc-2']);
      assert.equal(await browse.tags('tags/none', { sort: 'name', limit: 1 }), undefined);
    });

    test('a list adds up no more blobs than it may, whatever was pushed', async () => {
      const layers = Array.from({ length: 120 }, (_, layer) => `of many ${layer}`);
      await push('many/app', 'many layers', layers, ['1']);
      const sizeAt = async (limit: number) =>
        (await browse.tags('many/app', { sort: 'name', limit }))?.entries[0]?.size;
      assert.equal(await sizeAt(100), undefined);
      assert.equal(await sizeAt(50), ['many layers', 'config many layers', ...layers].join('').length);
    });

    test('a manifest has its tags and the indexes that list it; blobs are counted where else they are', async () => {
      const digest = await push('man/app', 'image', ['base', 'own'], ['b', 'a']);
      await push('man/app', 'other image', ['base'], ['o']);
      await push('man/more', 'more', ['base'], ['1']);
      await push('secret/more', 'secret', ['base'], ['1']);
      const index = await pushIndex('man/app', 'an index', [{ kind: 'manifest', digest }], []);
      const found = await browse.manifest('man/app', { tag: 'a' });
      assert.deepEqual(
        { ...found, pushedAt: undefined },
        {
          digest,
          mediaType: MEDIA_TYPES.ociManifest,
          size: 'image'.length,
          contentSize: 'imageconfig imagebaseown'.length,
          pushedAt: undefined,
          pushedBy: 'alice',
          tags: ['a', 'b'],
          tagCount: 2,
          indexes: [index],
        },
      );
      assert.equal(await browse.manifest('man/app', { tag: 'none' }), undefined);
      assert.equal(await browse.manifest('man/more', { digest }), undefined);
      const digests = ['own', 'base', 'missing'].map((text) => digestOf(text));
      const sharing = await browse.sharing('man/app', digest, digests, visible(['man/*']));
      assert.deepEqual(
        sharing.map((blob) => blob.digest),
        digests,
      );
      assert.deepEqual(
        sharing.map(({ size, manifests, repositories }) => [size, manifests, repositories]),
        [
          [3, 0, []],
          [4, 1, ['man/more']],
          [undefined, 0, []],
        ],
      );
      // The one that the visitor may not see is in no number either.
      assert.deepEqual(
        sharing.map(({ repositoryCount }) => repositoryCount),
        [0, 1, 0],
      );
    });

    test('a loss is what garbage collection would take', async () => {
      const amd = await push('loss/app', 'loss amd', ['loss base', 'loss amd layer'], []);
      const arm = await push('loss/app', 'loss arm', ['loss base'], ['arm']);
      const index = await pushIndex(
        'loss/app',
        'loss index',
        [
          { kind: 'manifest', digest: amd },
          { kind: 'manifest', digest: arm },
        ],
        ['v1', 'v2'],
      );
      const sbom = await pushIndex('loss/app', 'loss sbom', [{ kind: 'subject', digest: amd }], []);
      await push('other/loss', 'loss elsewhere', ['loss amd layer'], ['1']);
      const options = { untagged: true, visible: ALL };
      const tag = await browse.loss('loss/app', { tag: 'v1' }, options);
      assert.deepEqual([tag?.tags, tag?.manifests, tag?.bytesFreed], [['v1'], [], 0]);
      const all = await browse.loss('loss/app', { digest: index }, options);
      assert.deepEqual(all?.tags, ['v1', 'v2']);
      assert.deepEqual(all?.manifests.toSorted(), [index, amd, sbom].toSorted());
      assert.equal(all?.bytesFreed, 'loss indexloss amdconfig loss amdloss sbom'.length);
      assert.equal(all?.bytesKept, 'loss baseloss amd layer'.length);
      assert.deepEqual(
        [all?.sharedWithImages, all?.sharedWithRepositories, all?.sharedWithOthers, all?.complete],
        [['arm'], ['other/loss'], false, true],
      );
      const hidden = await browse.loss(
        'loss/app',
        { digest: index },
        { ...options, visible: visible(['loss/*']) },
      );
      assert.deepEqual([hidden?.sharedWithRepositories, hidden?.sharedWithOthers], [[], true]);
      const kept = await browse.loss('loss/app', { digest: index }, { ...options, untagged: false });
      assert.deepEqual([kept?.manifests, kept?.bytesFreed], [[index], 'loss index'.length]);
      assert.equal(await browse.loss('loss/app', { tag: 'none' }, options), undefined);

      await catalog.tags.delete('loss/app', 'v1', ALICE);
      const last = await browse.loss('loss/app', { tag: 'v2' }, options);
      assert.deepEqual([last?.manifests.length, last?.bytesFreed], [3, all?.bytesFreed]);
    });

    test('referrers are found by subject, by a list under a tag, and by tags of cosign', async () => {
      const digest = await push('about/app', 'about image', ['l'], ['1']);
      const name = digest.replace(':', '-');
      const bySubject = await pushIndex('about/app', 'by subject', [{ kind: 'subject', digest }], []);
      const listed = await push('about/app', 'listed', ['l2'], []);
      await pushIndex('about/app', 'the list', [{ kind: 'manifest', digest: listed }], [name]);
      const signed = await push('about/app', 'signed', ['l3'], [`${name}.sig`]);
      await push('about/app', 'not about it', ['l4'], [`${name}.other`]);
      const found = await browse.referrers('about/app', [digest, signed]);
      const shown = found.map((one) => [one.digest, one.about, one.tag]);
      assert.deepEqual(
        shown.toSorted(),
        [
          [bySubject, digest, undefined],
          [listed, digest, name],
          [signed, digest, `${name}.sig`],
        ].toSorted(),
      );
      assert.deepEqual(await browse.referrers('about/none', [digest]), []);
      assert.deepEqual(await browse.referrers('about/app', []), []);
    });

    test('counts stay right through pushes, deletes and garbage collection in any order', async () => {
      const random = seeded();
      const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
      const repositories = ['model/a', 'model/b'];
      const texts = ['m1', 'm2', 'm3'];
      const layers = ['model x', 'model y', 'model z'];
      const tags = ['t1', 't2'];
      for (let step = 0; step < 60; step += 1) {
        const repository = pick(repositories);
        const text = pick(texts);
        const own = `${repository} ${text}`;
        const steps = [
          () =>
            push(
              repository,
              own,
              [pick(layers), pick(layers)].slice(0, 1 + (step % 2)),
              random() < 0.5 ? [pick(tags)] : [],
            ),
          () => catalog.tags.delete(repository, pick(tags), ALICE),
          () => catalog.manifests.delete(repository, digestOf(own), ALICE),
          () => catalog.blobs.mount('model/a', 'model/b', digestOf(pick(layers)), ALICE),
          () => catalog.blobs.unlink(repository, digestOf(pick(layers))),
          () => sweep(catalog),
        ];
        await pick(steps)().catch((error: unknown) =>
          assert.ok(error instanceof StorageError, String(error)),
        );
      }
      await browse.repository('model/a');
      assert.deepEqual(await harness.knex.raw(WRONG_COUNTS).then((answer) => answer.rows ?? answer), []);
    });

    test('the manifests of a repository are listed; a delete of all takes an index before its members', async () => {
      const one = await push('whole/app', 'whole one', ['shared layer', 'own layer'], []);
      await push('whole/other', 'whole other', ['shared layer'], ['1']);
      const index = await pushIndex(
        'whole/app',
        'whole index',
        [{ kind: 'manifest', digest: one }],
        ['1', 'v2'],
      );
      const about = await pushIndex('whole/app', 'whole about', [{ kind: 'subject', digest: index }], []);
      const listed = [];
      for (let after: SortKey | undefined, isLast = false; !isLast; ) {
        const page = await browse.manifests('whole/app', { limit: 1, ...(after && { after }) });
        listed.push(...(page?.entries ?? []));
        after = page?.next;
        isLast = after === undefined;
      }
      const seen = listed.map(({ digest, isMember, subject, tags, tagCount }) => ({
        digest,
        isMember,
        subject,
        tags,
        tagCount,
      }));
      const untagged = { tags: [], tagCount: 0 };
      assert.deepEqual(
        seen,
        [
          { digest: one, isMember: true, subject: undefined, ...untagged },
          { digest: index, isMember: false, subject: undefined, tags: ['1', 'v2'], tagCount: 2 },
          { digest: about, isMember: false, subject: index, ...untagged },
        ].sort((a, b) => (a.digest < b.digest ? -1 : 1)),
      );
      assert.equal(await browse.manifests('whole/none', { limit: 1 }), undefined);
      const kept = 'shared layer'.length;
      const plan = await browse.planDelete('whole/app', ALICE);
      const all = ['whole one', 'config whole one', 'own layer', 'whole index', 'whole about'];
      const counts = { tagCount: 2, manifestCount: 3, complete: true };
      assert.deepEqual(plan, { ...counts, bytesFreed: all.join('').length, bytesKept: kept });
      await catalog.tagRules.put({ pattern: 'whole/*', tags: 'v*', kind: 'immutable' });
      assert.match((await browse.planDelete('whole/app', ALICE))?.rule ?? '', /the tag v2 is immutable/);
      await catalog.tagRules.remove({ pattern: 'whole/*', tags: 'v*' });
      const next = async () =>
        (await browse.nextToDelete('whole/app', 10)).map(({ digest }) => digest).sort();
      assert.deepEqual(await next(), [index, about].sort());
      for (const digest of await next()) await catalog.manifests.delete('whole/app', digest, ALICE);
      assert.deepEqual(await next(), [one]);
      await catalog.manifests.delete('whole/app', one, ALICE);
      assert.equal(await browse.planDelete('whole/app', ALICE), undefined);
    });

    test('a deleted tag is listed and can be restored while its manifest is there', async () => {
      const digest = await push('back/app', 'to restore', ['r'], ['1', '2']);
      await push('back/app', 'newer', ['r'], ['2', 'v3']);
      await catalog.tags.delete('back/app', '1', ALICE);
      const deleted = await browse.deletedTags('back/app');
      assert.deepEqual(
        deleted.map(({ deletedAt: _, ...tag }) => tag),
        [{ name: '1', digest, deletedBy: 'alice' }],
      );
      assert.equal(await catalog.tags.restore('back/app', '1', ALICE), digest);
      assert.deepEqual(await browse.deletedTags('back/app'), []);
      const events = await catalog.audit.latest({ limit: 1 });
      assert.deepEqual(
        events.map(({ action, repository, tag, who }) => [action, repository, tag, who]),
        [['push', 'back/app', '1', 'alice']],
      );
      await assert.rejects(catalog.tags.restore('back/app', '1', ALICE), TagRestoreError);
      await assert.rejects(catalog.tags.restore('back/app', 'never', ALICE), ManifestUnknownError);
      await assert.rejects(catalog.tags.restore('back/none', '1', ALICE), ManifestUnknownError);

      await catalog.tags.delete('back/app', 'v3', ALICE);
      await catalog.tagRules.put({ pattern: 'back/*', tags: 'v*', kind: 'protected' });
      await assert.rejects(
        catalog.tags.restore('back/app', 'v3', { ...ALICE, standing: 'writer' }),
        TagRefusedError,
      );
      await catalog.manifests.delete('back/app', digest, ALICE);
      assert.deepEqual(
        (await browse.deletedTags('back/app')).map((tag) => tag.name),
        ['v3'],
      );
      await assert.rejects(catalog.tags.restore('back/app', '1', ALICE), /is deleted: push the image again/);
    });
  });
}

/** Repositories whose counts are not those of their rows. */
const WRONG_COUNTS = `
  select * from (
    select s.name, s.size, s.manifests, s.tags,
      (select coalesce(sum(l.size), 0) from blob_links l where l.repository_id = s.repository_id) as actual_size,
      (select count(*) from manifests m where m.repository_id = s.repository_id) as actual_manifests,
      (select count(*) from tags t where t.repository_id = s.repository_id) as actual_tags
    from repository_stats s
  ) as counted where size <> actual_size or manifests <> actual_manifests or tags <> actual_tags`;

/** Collects garbage whose grace period is over at once. */
async function sweep(catalog: Catalog): Promise<void> {
  const blobs = {
    abort: async () => {},
    deleteAll: async () => {},
    async *listStored() {},
  };
  const policy = { graceMs: -1, untagged: true, orphanAgeMs: 0, historyMs: 0, idleUploadMs: 0 };
  await collectGarbage({ catalog, blobs, policy });
}

/** Numbers from 0 to 1, the same in each run; BERTH_SEED gives others (mulberry32). */
function seeded(): () => number {
  let state = Number(process.env.BERTH_SEED ?? 1);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
  };
}
