import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Actor } from '../../storage/catalog/actor.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
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
