import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ManifestReference } from '../../oci/manifest.ts';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import type { StoredBlob } from '../../storage/blobs/blob-driver.ts';
import type { AuditEntry } from '../../storage/catalog/audit-catalog.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { recordingChange } from '../../storage/catalog/recorded-change.ts';
import type { Actor, TagRuleKind } from '../../storage/catalog/tag-rule-catalog.ts';
import { QuotaExceededError, TagRefusedError, TooManySettingsError } from '../../storage/errors.ts';
import { digestOf } from '../support/content.ts';
import type { CatalogHarness } from './catalog.ts';

const WRITER: Actor = { name: 'wendy', address: '192.0.2.7', standing: 'writer' };
const MAINTAINER: Actor = { name: 'mary', standing: 'maintainer' };
const ADMIN: Actor = { name: 'ada', standing: 'admin' };
const HOOK = {
  name: 'hook',
  url: 'https://ci.example/',
  events: ['push', 'delete', 'mount'],
  pattern: 'team/*',
  secret: 'sixteen or more characters',
} as const;

function blobOf(text: string, size = text.length): StoredBlob {
  return { digest: digestOf(text), size, location: `somewhere/${text}` };
}

/** What a Catalog promises of changes that are made for somebody; see storage/catalog/catalog.ts. */
export function describeCatalogGuards(name: string, open: () => Promise<CatalogHarness>): void {
  describe(`${name}: records, rules of tags, quotas and webhooks`, () => {
    let harness: CatalogHarness;
    let catalog: Catalog;

    beforeEach(async () => {
      harness = await open();
      catalog = harness.catalog;
    });

    afterEach(() => harness.close());

    const put = (
      by: Actor | undefined,
      repository: string,
      text: string,
      tags: readonly string[],
      references: readonly ManifestReference[] = [],
    ) =>
      catalog.manifests.put(
        repository,
        { blob: blobOf(text), mediaType: MEDIA_TYPES.ociManifest, references },
        { tags, requireManifests: true, ...(by && { by }) },
      );

    const recorded = async () =>
      (await catalog.audit.list({ limit: 1000 })).map(({ action, outcome, who, repository, tag, digest }) =>
        [action, outcome, who, repository, tag, digest].join(' '),
      );

    const told = async (from = catalog) => {
      const { id = 0 } = (await from.webhooks.find('hook')) ?? {};
      return (await from.webhooks.waiting(id, [], 1000)).map(
        ({ event: { action, repository, tag } }) => `${action} ${repository} ${tag}`,
      );
    };

    const used = async () => (await catalog.quotas.list()).map((quota) => quota.used);

    test('many at once do not pass the bound of webhooks', async () => {
      const other = await harness.reopen();
      for (let count = 0; count < 95; count += 1)
        await catalog.webhooks.create({ ...HOOK, name: `w${count}` });
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? catalog : other).webhooks.create({ ...HOOK, name: `more${index}` }),
        ),
      );
      const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
      assert.ok(refused.every(({ reason }) => reason instanceof TooManySettingsError));
      assert.equal(refused.length, 15);
      assert.equal((await catalog.webhooks.list()).length, 100);
    });

    test('every change for somebody is recorded with it, and the program’s own are not', async () => {
      await put(undefined, 'team/own', 'own', ['1']);
      await catalog.blobs.link('team/app', blobOf('layer'), undefined, WRITER);
      await put(WRITER, 'team/app', 'image', ['1', '2']);
      await put(WRITER, 'team/app', 'untagged', []);
      await catalog.blobs.mount('team/app', 'team/other', digestOf('layer'), WRITER);
      await catalog.tags.delete('team/app', '2', MAINTAINER);
      await catalog.manifests.delete('team/app', digestOf('image'), MAINTAINER);
      await catalog.blobs.unlink('team/other', digestOf('layer'), ADMIN);
      // What is not there changes nothing.
      assert.equal(await catalog.tags.delete('team/app', 'none', ADMIN), false);
      assert.equal(await catalog.manifests.delete('team/app', digestOf('none'), ADMIN), false);
      assert.equal(await catalog.blobs.unlink('team/app', digestOf('none'), ADMIN), false);
      const [layer, image, untagged] = ['layer', 'image', 'untagged'].map((text) => digestOf(text));
      assert.deepEqual(await recorded(), [
        `push done wendy team/app  ${layer}`,
        `push done wendy team/app 1 ${image}`,
        `push done wendy team/app 2 ${image}`,
        `push done wendy team/app  ${untagged}`,
        `mount done wendy team/other  ${layer}`,
        `delete done mary team/app 2 ${image}`,
        `delete done mary team/app  ${image}`,
        `delete done mary team/app 1 ${image}`,
        `delete done ada team/other  ${layer}`,
      ]);
      const [first, second] = await catalog.audit.list({ limit: 2 });
      assert.equal(first?.address, '192.0.2.7');
      assert.equal(first?.size, 5);
      assert.equal(second?.mediaType, MEDIA_TYPES.ociManifest);
      const history = await catalog.tags.history('team/app', '2', 10);
      assert.deepEqual(
        history.map(({ who }) => who),
        ['mary', 'wendy'],
      );
    });

    test('records come in pages, by repository and account, and are pruned by age', async () => {
      for (const text of ['1', '2', '3']) await put(WRITER, `team/${text}`, text, [text]);
      await put(ADMIN, 'team/1', 'more', ['more']);
      const first = await catalog.audit.list({ limit: 2 });
      const rest = await catalog.audit.list({ limit: 10, after: first.at(-1)?.id ?? '' });
      assert.deepEqual(
        [...first, ...rest].map(({ tag }) => tag),
        ['1', '2', '3', 'more'],
      );
      const of1 = await catalog.audit.list({ limit: 10, repository: 'team/1' });
      assert.deepEqual(
        of1.map(({ tag }) => tag),
        ['1', 'more'],
      );
      const ofWendy = await catalog.audit.list({ limit: 10, who: 'wendy', repository: 'team/1' });
      assert.deepEqual(
        ofWendy.map(({ tag }) => tag),
        ['1'],
      );
      const tagsOf = (events: readonly { readonly tag?: string }[]) => events.map(({ tag }) => tag);
      const latest = await catalog.audit.latest({ limit: 2 });
      assert.deepEqual(tagsOf(latest), ['more', '3']);
      const before = latest.at(-1)?.id ?? '';
      assert.deepEqual(tagsOf(await catalog.audit.latest({ limit: 5, before })), ['2', '1']);
      const matching = { limit: 10, action: 'push', outcome: 'done', repository: 't*/1' } as const;
      assert.deepEqual(tagsOf(await catalog.audit.list(matching)), ['1', 'more']);
      assert.deepEqual(await catalog.audit.list({ ...matching, outcome: 'denied' }), []);
      assert.deepEqual(await catalog.audit.list({ ...matching, action: 'delete' }), []);
      assert.deepEqual(await catalog.audit.list({ limit: 10, repository: 't_am/1*' }), []);
      const { at = new Date(0) } = first[0] ?? {};
      assert.equal((await catalog.audit.list({ limit: 10, since: at })).length, 4);
      assert.deepEqual(await catalog.audit.list({ limit: 10, until: at }), []);
      assert.equal(await catalog.audit.prune(new Date(0)), 0);
      assert.equal(await catalog.audit.prune(new Date(Date.now() + 1000)), 4);
      assert.deepEqual(await catalog.audit.list({ limit: 10 }), []);
    });

    test('whoever reads on after the last record misses none, however many write at once', async () => {
      const other = await harness.reopen();
      const seen: string[] = [];
      let writing = true;
      const reading = (async () => {
        for (let last = false; ; last = !writing) {
          await sleep(1);
          const after = seen.at(-1) ?? '0';
          const events = await other.audit.list({ limit: 10, after });
          seen.push(...events.map(({ id }) => id));
          if (last && events.length === 0) return;
        }
      })();
      const texts = Array.from({ length: 40 }, (_, index) => `racing ${index}`);
      await Promise.all(
        texts.map((text, index) =>
          (index % 2 === 0 ? catalog : other).blobs.link('team/app', blobOf(text), undefined, WRITER),
        ),
      );
      writing = false;
      await reading;
      const all = (await catalog.audit.list({ limit: 1000 })).map(({ id }) => id);
      assert.equal(all.length, texts.length);
      assert.deepEqual(seen, all);
    });

    describe('an immutable tag', () => {
      const rule = (kind: TagRuleKind, tags = 'v*') =>
        catalog.tagRules.put({ pattern: 'team/*', tags, kind });

      test('is set once, whoever pushes, and everywhere else tags move', async () => {
        await rule('immutable');
        await put(WRITER, 'team/app', 'one', ['v1', 'latest']);
        await put(WRITER, 'team/app', 'one', ['v1']);
        for (const by of [WRITER, MAINTAINER, ADMIN]) {
          await assert.rejects(put(by, 'team/app', 'two', ['latest', 'v1']), TagRefusedError);
        }
        const { blob } = (await catalog.manifests.findByTag('team/app', 'latest')) ?? {};
        assert.equal(blob?.digest, digestOf('one'), 'a refusal changes nothing');
        assert.equal(await catalog.manifests.findByDigest('team/app', digestOf('two')), undefined);
        await put(WRITER, 'team/app', 'two', ['latest']);
        await put(WRITER, 'other/app', 'one', ['v1']);
        await put(WRITER, 'other/app', 'two', ['v1']);
        // The program's own changes are what rebuilds a catalog.
        await put(undefined, 'team/app', 'two', ['v1']);
      });

      test('is deleted by an admin only, by itself and with what it needs', async () => {
        await rule('immutable');
        await catalog.blobs.link('team/app', blobOf('layer'), undefined, WRITER);
        const layer: ManifestReference = { kind: 'layer', digest: digestOf('layer') };
        await put(WRITER, 'team/app', 'member', [], [layer]);
        const member: ManifestReference = { kind: 'manifest', digest: digestOf('member') };
        await put(WRITER, 'team/app', 'index', ['v1'], [member]);
        await put(WRITER, 'team/app', 'free', ['latest'], [layer]);
        const deletes = (by: Actor) => [
          () => catalog.tags.delete('team/app', 'v1', by),
          () => catalog.manifests.delete('team/app', digestOf('index'), by),
          () => catalog.manifests.delete('team/app', digestOf('member'), by),
          () => catalog.blobs.unlink('team/app', digestOf('layer'), by),
        ];
        for (const attempt of deletes(MAINTAINER)) await assert.rejects(attempt(), TagRefusedError);
        assert.equal(await catalog.manifests.delete('team/app', digestOf('free'), WRITER), true);
        assert.equal(await catalog.tags.delete('team/app', 'v1', ADMIN), true);
        assert.equal(await catalog.manifests.delete('team/app', digestOf('member'), MAINTAINER), true);
      });

      test('is one of two that are pushed at once', async () => {
        await rule('immutable', '*');
        const other = await harness.reopen();
        for (let round = 0; round < 5; round += 1) {
          const tag = `round${round}`;
          const outcomes = await Promise.allSettled(
            ['one', 'two', 'three', 'four'].map((text, index) =>
              (index % 2 === 0 ? catalog : other).manifests.put(
                'team/app',
                { blob: blobOf(text), mediaType: MEDIA_TYPES.ociManifest, references: [] },
                { tags: [tag], requireManifests: true, by: WRITER },
              ),
            ),
          );
          assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
          const failed = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? outcome.reason : []));
          // Of PostgreSQL's also one that had to give way for too long on a slow machine.
          for (const error of failed) {
            assert.ok(
              error instanceof TagRefusedError || error.code === 'DATABASE_UNAVAILABLE',
              String(error),
            );
          }
          assert.equal((await catalog.tags.history('team/app', tag, 10)).length, 1);
        }
      });

      test('that is protected is set and deleted by maintainers', async () => {
        await rule('protected', 'release-*');
        await assert.rejects(put(WRITER, 'team/app', 'one', ['release-1']), /only maintainers/);
        await put(MAINTAINER, 'team/app', 'one', ['release-1']);
        await put(MAINTAINER, 'team/app', 'two', ['release-1']);
        await assert.rejects(put(WRITER, 'team/app', 'two', ['release-1']), TagRefusedError);
        await assert.rejects(catalog.tags.delete('team/app', 'release-1', WRITER), TagRefusedError);
        assert.equal(await catalog.tags.delete('team/app', 'release-1', MAINTAINER), true);
        assert.deepEqual(await catalog.tagRules.list(), [
          { pattern: 'team/*', tags: 'release-*', kind: 'protected' },
        ]);
        assert.equal(await catalog.tagRules.remove({ pattern: 'team/*', tags: 'release-*' }), true);
        await put(WRITER, 'team/app', 'one', ['release-1']);
      });
    });

    describe('a change of rules', () => {
      const entry = (detail: string): AuditEntry => ({
        at: new Date(),
        who: 'ada',
        action: 'manage',
        outcome: 'done',
        detail,
        count: 1,
      });
      const details = async () => (await catalog.audit.list({ limit: 100 })).map(({ detail }) => detail);
      const quota = { pattern: 'team/*', bytes: 100 };

      test('is recorded by its own transaction, once', async () => {
        const change = async () => {
          await catalog.quotas.put(quota);
          await catalog.quotas.put({ ...quota, bytes: 200 });
        };
        assert.equal(await recordingChange(() => entry('two quotas'), change), true);
        await catalog.quotas.put({ ...quota, bytes: 300 });
        assert.deepEqual(await details(), ['two quotas']);
      });

      test('is not made when it cannot be recorded', async () => {
        const unrecordable = recordingChange(
          () => assert.fail('the record is full'),
          () => catalog.quotas.put(quota),
        );
        await assert.rejects(unrecordable, /the record is full/);
        assert.deepEqual(await catalog.quotas.list(), []);
      });

      test('that changed nothing, or failed, is not recorded as done', async () => {
        const nothing = async () => {
          assert.equal(await catalog.quotas.remove('none/*'), false);
          assert.equal(await catalog.webhooks.remove('none'), false);
        };
        assert.equal(await recordingChange(() => entry('nothing'), nothing), false);
        await catalog.quotas.put({ pattern: '*', bytes: 1 });
        const failing = async () => {
          await catalog.blobs.link('team/app', blobOf('large', 10), undefined, WRITER);
        };
        await assert.rejects(
          recordingChange(() => entry('failed'), failing),
          QuotaExceededError,
        );
        assert.deepEqual(await details(), []);
      });

      test('belongs to who asked for it, however many change something at once', async () => {
        await Promise.all(
          Array.from({ length: 6 }, (_, index) =>
            recordingChange(
              () => entry(`quota ${index}`),
              () => catalog.quotas.put({ pattern: `team${index}/*`, bytes: 100 }),
            ),
          ),
        );
        assert.deepEqual(
          (await details()).toSorted(),
          [0, 1, 2, 3, 4, 5].map((index) => `quota ${index}`),
        );
      });
    });

    describe('a quota', () => {
      test('counts each blob once, from before it was set and after', async () => {
        await catalog.blobs.link('team/old', blobOf('old', 100), undefined, WRITER);
        await catalog.blobs.link('team/app', blobOf('old', 100), undefined, WRITER);
        await catalog.blobs.link('team_x/app', blobOf('elsewhere', 1000), undefined, WRITER);
        await catalog.quotas.put({ pattern: 'team/*', bytes: 10_000 });
        assert.deepEqual(await used(), [100]);
        await catalog.blobs.link('team/app', blobOf('new', 50), undefined, WRITER);
        await catalog.blobs.link('team/app', blobOf('new', 50), undefined, WRITER);
        await catalog.blobs.mount('team/app', 'team/third', digestOf('new'), WRITER);
        await catalog.blobs.mount('team_x/app', 'team/third', digestOf('elsewhere'), WRITER);
        assert.deepEqual(await used(), [1150]);
        await catalog.blobs.unlink('team/app', digestOf('new'), WRITER);
        assert.deepEqual(await used(), [1150]);
        await catalog.blobs.unlink('team/third', digestOf('new'), WRITER);
        assert.deepEqual(await used(), [1100]);
        await put(WRITER, 'team/app', 'image', ['1']);
        await catalog.manifests.delete('team/app', digestOf('image'), MAINTAINER);
        assert.deepEqual(await used(), [1100]);
        assert.deepEqual(await catalog.quotas.check(false), []);
      });

      test('refuses what would go over it, and then nothing has changed', async () => {
        await catalog.quotas.put({ pattern: 'team/*', bytes: 100 });
        await catalog.blobs.link('team/app', blobOf('most', 95), undefined, WRITER);
        await catalog.blobs.link('other/app', blobOf('large', 50), undefined, WRITER);
        await catalog.quotas.refuseIfFull('team/app');
        await assert.rejects(
          catalog.blobs.link('team/app', blobOf('more', 6), undefined, WRITER),
          /the quota of team\/\* is 100 bytes and this would make 101/,
        );
        const mount = catalog.blobs.mount('other/app', 'team/app', digestOf('large'), WRITER);
        await assert.rejects(mount, QuotaExceededError);
        await assert.rejects(put(WRITER, 'team/app', 'manifest', ['1']), QuotaExceededError);
        assert.deepEqual(await used(), [95]);
        assert.equal(await catalog.blobs.find('team/app', digestOf('more')), undefined);
        assert.equal(await catalog.blobs.findAnywhere(digestOf('more')), undefined);
        // What is there counts already.
        await catalog.quotas.put({ pattern: 'team/*', bytes: 10 });
        await catalog.blobs.link('team/again', blobOf('most', 95), undefined, WRITER);
        await assert.rejects(catalog.quotas.refuseIfFull('team/app'), QuotaExceededError);
        await catalog.quotas.refuseIfFull('other/app');
        assert.equal(await catalog.quotas.remove('team/*'), true);
        await catalog.blobs.link('team/app', blobOf('more', 6), undefined, WRITER);
      });

      test('does not drift, and is not exceeded, however many push and delete at once', async () => {
        await catalog.quotas.put({ pattern: 'team/*', bytes: 100 });
        await catalog.quotas.put({ pattern: '*', bytes: 100_000 });
        const other = await harness.reopen();
        const outcomes = await Promise.allSettled(
          Array.from({ length: 12 }, async (_, index) => {
            const from = index % 2 === 0 ? catalog : other;
            const blob = blobOf(`blob ${index % 8}`, 20);
            await from.blobs.link(`team/${index % 3}`, blob, undefined, WRITER);
            if (index % 4 === 0) await from.blobs.unlink(`team/${index % 3}`, blob.digest, WRITER);
          }),
        );
        for (const outcome of outcomes) {
          if (outcome.status === 'fulfilled') continue;
          // PostgreSQL's serialization failure, of whoever had to give way for too long on a slow machine.
          const { reason } = outcome;
          assert.ok(reason instanceof QuotaExceededError || reason.code === 'DATABASE_UNAVAILABLE', reason);
        }
        const [all = 0, team = 0] = await used();
        assert.ok(team <= 100 && all === team, `${all} ${team}`);
        assert.deepEqual(await catalog.quotas.check(false), []);
      });
    });

    test('pages of a long record have what the filter says, from both ends', async () => {
      const start = Date.now() - 3_000_000;
      // Times that go back now and then, as those of several clocks do.
      const timeOf = (index: number) => new Date(start + (index % 10 === 0 ? index - 500 : index) * 1000);
      const who = (index: number) => (index % 700 === 3 ? 'rare' : 'usual');
      const entries = Array.from({ length: 2600 }, (_, index): AuditEntry => {
        return {
          at: timeOf(index),
          who: who(index),
          action: 'pull',
          outcome: 'denied',
          tag: `${index}`,
          count: 1,
        };
      });
      for (let from = 0; from < entries.length; from += 50) {
        await catalog.audit.record(entries.slice(from, from + 50));
      }
      const tagsOf = (events: readonly AuditEntry[]) => events.map(({ tag }) => Number(tag));
      const all = await catalog.audit.list({ limit: 10_000 });
      assert.deepEqual(tagsOf(all), tagsOf(entries));
      const cursor = all[1500]?.id ?? assert.fail();
      for (const filter of [
        {},
        { who: 'rare' },
        { who: 'nobody' },
        { since: timeOf(1200) },
        { who: 'rare', since: timeOf(1200) },
        { until: timeOf(400), action: 'pull' },
        { since: new Date(start + 100_000_000) },
      ] as const) {
        const matches = all.filter(
          (event) =>
            (!('who' in filter) || event.who === filter.who) &&
            (!('since' in filter) || event.at >= filter.since) &&
            (!('until' in filter) || event.at < filter.until),
        );
        const what = JSON.stringify(filter);
        for (const limit of [1, 2, 1100]) {
          const page = { ...filter, limit };
          const later = matches.filter(({ id }) => Number(id) > Number(cursor));
          const earlier = matches.filter(({ id }) => Number(id) < Number(cursor)).toReversed();
          assert.deepEqual(await catalog.audit.list(page), matches.slice(0, limit), what);
          assert.deepEqual(await catalog.audit.list({ ...page, after: cursor }), later.slice(0, limit), what);
          assert.deepEqual(await catalog.audit.latest(page), matches.toReversed().slice(0, limit), what);
          assert.deepEqual(
            await catalog.audit.latest({ ...page, before: cursor }),
            earlier.slice(0, limit),
            what,
          );
        }
      }
    });

    describe('webhooks', () => {
      beforeEach(() => catalog.webhooks.create(HOOK));

      test('are told of what they match, in order, until they were told', async () => {
        assert.equal(await catalog.webhooks.create(HOOK), false);
        await catalog.blobs.link('team/app', blobOf('layer'), undefined, WRITER);
        await put(WRITER, 'team/app', 'one', ['1', '2']);
        await put(WRITER, 'other/app', 'one', ['1']);
        await put(undefined, 'team/app', 'two', ['1']);
        await catalog.blobs.mount('team/app', 'team/next', digestOf('layer'), WRITER);
        await catalog.tags.delete('team/app', '2', WRITER);
        const expected = [
          'push team/app 1',
          'push team/app 2',
          'mount team/next undefined',
          'delete team/app 2',
        ];
        assert.deepEqual(await told(), expected);
        const { id } = (await catalog.webhooks.find('hook')) ?? assert.fail();
        assert.deepEqual(await catalog.webhooks.pending(), new Set([id]));
        const [first] = await catalog.webhooks.waiting(id, [], 1);
        assert.deepEqual(await catalog.webhooks.deliveries('hook'), []);
        await catalog.webhooks.failed(id, first ?? assert.fail(), 'it did not answer'.padEnd(9000));
        await catalog.webhooks.failed(id, first ?? assert.fail(), 'it did not answer');
        const tried = { action: 'push', repository: 'team/app', tag: '1' };
        const triesOf = async (name: string) =>
          (await catalog.webhooks.deliveries(name))?.map(({ triedAt, ...delivery }) => delivery);
        assert.deepEqual(await triesOf('hook'), [{ ...tried, attempts: 2, failure: 'it did not answer' }]);
        assert.equal((await catalog.webhooks.list())[0]?.failure, 'it did not answer');
        await catalog.webhooks.told(id, first ?? assert.fail());
        assert.deepEqual(await triesOf('hook'), [{ ...tried, attempts: 3 }]);
        assert.deepEqual(await told(), expected.slice(1));
        const [state] = await catalog.webhooks.list();
        assert.equal(state?.failure, undefined);
        assert.equal(state?.waiting, 3);
        const elsewhere = await catalog.webhooks.waiting(id, ['team/app'], 10);
        assert.deepEqual(
          elsewhere.map(({ event }) => event.repository),
          ['team/next'],
        );
        // The latest 50 are kept, and nothing of a webhook that is gone.
        const event = { ...(first ?? assert.fail()).event };
        for (let number = 0; number < 60; number += 1) {
          const next = { id: `${number}`, event: { ...event, id: `${number}`, tag: `${number}` } };
          await catalog.webhooks.failed(id, next, 'x'.repeat(9000));
        }
        const kept = (await catalog.webhooks.deliveries('hook')) ?? [];
        assert.deepEqual([kept.length, kept[0]?.tag, kept[49]?.tag], [50, '59', '10']);
        assert.equal(kept[0]?.failure?.length, 500);
        assert.equal(await catalog.webhooks.remove('hook'), true);
        assert.deepEqual(await catalog.webhooks.pending(), new Set());
        assert.equal(await catalog.webhooks.deliveries('hook'), undefined);
        await catalog.webhooks.told(id, first ?? assert.fail());
        await catalog.webhooks.create(HOOK);
        assert.deepEqual(await catalog.webhooks.deliveries('hook'), []);
      });

      test('are told of pulls where they want that, and lose the oldest beyond the limits', async () => {
        await catalog.webhooks.create({ ...HOOK, name: 'pulls', events: ['pull'] });
        const at = new Date().toISOString();
        const pull = { action: 'pull', repository: 'team/app', at, count: 3 } as const;
        await catalog.webhooks.tell(['1', '2', '3'].map((id) => ({ ...pull, id, tag: id })));
        assert.deepEqual(await told(), []);
        const { id } = (await catalog.webhooks.find('pulls')) ?? assert.fail();
        assert.equal(await catalog.webhooks.trim(id, { events: 3, since: new Date(0) }), 0);
        assert.equal(await catalog.webhooks.trim(id, { events: 2, since: new Date(0) }), 1);
        const left = await catalog.webhooks.waiting(id, [], 10);
        assert.deepEqual(
          left.map(({ event }) => [event.id, event.count]),
          [
            ['2', 3],
            ['3', 3],
          ],
        );
        assert.equal(await catalog.webhooks.trim(id, { events: 2, since: new Date(Date.now() + 1000) }), 2);
        assert.equal((await catalog.webhooks.list()).find((hook) => hook.name === 'pulls')?.dropped, 3);
      });
    });
  });
}
