import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import type { Actor } from '../../storage/catalog/tag-rule-catalog.ts';
import { DatabaseUnavailableError, QuotaExceededError } from '../../storage/errors.ts';
import { digestOf } from '../support/content.ts';
import { startPostgres } from '../support/postgres.ts';
import { waitUntil } from '../support/wait-until.ts';

const by: Actor = { name: 'wendy', standing: 'writer' };
const GIB = 1024 ** 3;

const postgres = await startPostgres({ after });
const url = await postgres.createDatabase();
const knex = await openPostgres(url);
const catalog = await openCatalog(knex);
after(() => catalog.close());

const link = (text: string) => {
  const digest = digestOf(text);
  return catalog.blobs.link(`team/${text.length % 7}`, { digest, size: 1000, location: text }, undefined, by);
};
/** How often a transaction has looked at what is used. */
let looks = 0;
knex.on('query', ({ sql }: { readonly sql: string }) => {
  if (sql.includes('u.used') && sql.includes('"quota_id" in')) looks++;
});

const used = async () => (await catalog.quotas.list()).map((quota) => quota.used);

/** Another replica on the same database. */
async function openReplica() {
  const other = await openCatalog(await openPostgres(url));
  after(() => other.close());
  return other;
}

const MIB = 1024 ** 2;
const replicas = [catalog, await openReplica()] as const;

test('those who push far from the bound of a quota do not look at it, and all is counted', async () => {
  await catalog.quotas.put({ pattern: 'team/*', bytes: 100 * GIB });
  await link('first');
  await waitUntil('what is used is known', async () => {
    const before = looks;
    await link('first');
    return looks === before;
  });
  const before = looks;
  await Promise.all(
    Array.from({ length: 8 }, async (_, lane) => {
      for (let turn = 0; turn < 20; turn++) await link(`blob ${lane} ${turn}`);
    }),
  );
  assert.equal(looks, before);
  assert.deepEqual(await used(), [161_000]);
  assert.deepEqual(await catalog.quotas.check(false), []);
  await catalog.blobs.unlink('team/5', digestOf('first'), by);
  assert.deepEqual(await used(), [160_000]);
});

test('what is counted in rows of its own is drawn together, and nothing is lost by it', async () => {
  await knex('quota_deltas').insert(
    Array.from({ length: 1500 }, (_, index) => ({ quota_id: 1, bytes: index % 2 === 0 ? 7 : -7 })),
  );
  assert.deepEqual(await used(), [160_000]);
  const rows = async () => Number((await knex('quota_deltas').count({ rows: '*' }))[0]?.rows);
  let turn = 0;
  await waitUntil('the rows are few', async () => {
    await link(`later ${turn++}`);
    return (await rows()) < 1000;
  });
  assert.deepEqual(await used(), [160_000 + turn * 1000]);
  assert.deepEqual(await catalog.quotas.check(false), []);
});

test('a count that went wrong is found and mended', async () => {
  const [before = 0] = await used();
  await knex('quota_deltas').insert({ quota_id: 1, bytes: 12_345 });
  const drift = { pattern: 'team/*', counted: before + 12_345, actual: before };
  assert.deepEqual(await catalog.quotas.check(true), [drift]);
  assert.deepEqual(await catalog.quotas.check(false), []);
  assert.deepEqual(await used(), [before]);
});

test('two replicas that push at once from far below never exceed a quota, and use it up', async () => {
  const bytes = 150 * MIB;
  await catalog.quotas.put({ pattern: 'both/*', bytes });
  const push = (index: number, text: string) =>
    replicas[index % 2]?.blobs.link(
      `both/${index}`,
      { digest: digestOf(text), size: MIB, location: text },
      undefined,
      by,
    );
  let refused = 0;
  let accepted = 0;
  let grants = 0;
  const lanes = Array.from({ length: 8 }, async (_, lane) => {
    for (let turn = 0; refused < 8; turn += 1) {
      try {
        await push(lane, `both ${lane} ${turn}`);
        accepted += 1;
      } catch (error) {
        // Near the bound they give way to each other, on a slow machine for longer than one has patience.
        if (error instanceof DatabaseUnavailableError && !error.inDoubt) continue;
        assert.ok(error instanceof QuotaExceededError, String(error));
        refused += 1;
      }
      grants = Math.max(grants, Number((await knex('quota_grants').count({ rows: '*' }))[0]?.rows));
      const [{ used } = { used: -1 }] = (await catalog.quotas.list()).filter(
        ({ pattern }) => pattern === 'both/*',
      );
      assert.ok(used <= bytes, `${used} bytes`);
    }
  });
  await Promise.all(lanes);
  assert.ok(grants > 0, 'nobody had a grant');
  assert.equal(accepted, 150);
  assert.deepEqual(await catalog.quotas.check(false), []);
});

test('who has been waved through and is overtaken by others that use all up is refused', async () => {
  const bytes = 200 * MIB;
  await catalog.quotas.put({ pattern: 'slow/*', bytes });
  const [slow, fast] = replicas;
  const blob = (text: string, size: number) => ({ digest: digestOf(text), size, location: text });
  const warm = blob('warm', 1);
  const { id: quotaId } = await knex('quotas').where({ pattern: 'slow/*' }).first('id');
  await waitUntil('the slow one has a grant', async () => {
    const before = looks;
    await slow.blobs.link('slow/app', warm, undefined, by);
    return looks === before;
  });
  // Somebody else is recording the same blob, and whoever wants to do so as well waits in the middle of a transaction.
  const held = blob('held', 10 * MIB);
  const holder = await knex.transaction();
  await holder('blobs').insert({ ...held, created_at: Date.now() });
  const overtaken = slow.blobs.link('slow/app', held, undefined, by).then(
    () => 'accepted',
    (error: unknown) => error,
  );
  await waitUntil('it waits', async () => {
    const { rows } = await knex.raw(`select 1 from pg_stat_activity where wait_event_type = 'Lock'`);
    return rows.length > 0;
  });
  await fast.blobs.link('slow/other', blob('all', bytes - MIB), undefined, by);
  assert.equal(await knex('quota_grants').where({ quota_id: quotaId }).first('id'), undefined);
  await holder.rollback();
  const outcome = await overtaken;
  assert.ok(outcome instanceof QuotaExceededError, String(outcome));
  assert.deepEqual(await catalog.quotas.check(false), []);
});

test('a lower quota, and one that is counted anew, leave nothing granted', async () => {
  const granted = async () =>
    Number((await knex('quota_grants').where({ quota_id: 1 }).count({ rows: '*' }))[0]?.rows);
  const again = () =>
    waitUntil('there is a grant', async () => {
      await link('first');
      return (await granted()) > 0;
    });
  await again();
  await catalog.quotas.put({ pattern: 'team/*', bytes: 50 * GIB });
  assert.equal(await granted(), 0);
  await again();
  await knex('quota_deltas').insert({ quota_id: 1, bytes: 5 });
  await catalog.quotas.check(true);
  assert.equal(await granted(), 0);
});

/** Runs `work` while others push without a pause, in another process. Every transaction of the table's takes a while. */
async function besidePushes(
  table: string,
  change: 'insert' | 'delete',
  work: () => Promise<void>,
): Promise<void> {
  await knex.raw(`create or replace function nap() returns trigger language plpgsql as
    $$ begin perform pg_sleep(0.1); return null; end $$`);
  await knex.raw(`create trigger nap after ${change} on ${table} for each statement execute function nap()`);
  let working = true;
  const [, other] = replicas;
  const lanes = [0, 1].map(async (lane) => {
    for (let turn = 0; working; turn += 1) {
      const text = `beside ${table} ${change} ${lane} ${turn}`;
      const blob = { digest: digestOf(text), size: 10, location: text };
      const references = [{ kind: 'layer', digest: digestOf('shared') }] as const;
      const manifest = { blob, mediaType: MEDIA_TYPES.ociManifest, references };
      const options = { tags: [`${lane}-${turn % 3}`], requireManifests: false, by };
      await other.manifests.put('busy/app', manifest, options).catch((error: unknown) => {
        if (!(error instanceof DatabaseUnavailableError) || error.inDoubt) throw error;
      });
    }
  });
  try {
    await work();
  } finally {
    working = false;
    await Promise.all(lanes);
    await knex.raw(`drop trigger nap on ${table}`);
  }
}

const shared = { digest: digestOf('shared'), size: 10, location: 'shared' };

test('a quota is set and removed while pushes follow each other closely', async () => {
  await catalog.blobs.link('busy/app', shared, undefined, by);
  const quota = { pattern: 'busy/*', bytes: GIB };
  await besidePushes('quotas', 'insert', () => catalog.quotas.put(quota));
  assert.deepEqual(await catalog.quotas.check(false), []);
  await besidePushes('quotas', 'delete', async () => {
    assert.equal(await catalog.quotas.remove(quota.pattern), true);
  });
});

test('tags, manifests and webhooks are deleted while pushes follow each other closely', async () => {
  await catalog.blobs.link('busy/app', shared, undefined, by);
  const blob = { digest: digestOf('old'), size: 10, location: 'old' };
  const old = {
    blob,
    mediaType: MEDIA_TYPES.ociManifest,
    references: [{ kind: 'layer', digest: shared.digest }],
  } as const;
  await catalog.manifests.put('busy/app', old, { tags: ['old', 'older'], requireManifests: false, by });
  const hook = {
    name: 'busy',
    url: 'https://ci.example',
    events: ['push'],
    pattern: 'busy/*',
    secret: 'x',
  } as const;
  await catalog.webhooks.create(hook);
  await besidePushes('tags', 'delete', async () => {
    assert.equal(await catalog.tags.delete('busy/app', 'old', by), true);
    assert.equal(await catalog.manifests.delete('busy/app', blob.digest, by), true);
  });
  await besidePushes('webhooks', 'delete', async () => {
    assert.equal(await catalog.webhooks.remove('busy'), true);
  });
});
