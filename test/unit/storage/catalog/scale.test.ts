import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Knex } from 'knex';
import type { Catalog } from '../../../../storage/catalog/catalog.ts';
import { openDatabase } from '../../../../storage/catalog/database.ts';
import { openCatalog } from '../../../../storage/catalog/knex-catalog.ts';
import { makeTempDir, removeTree } from '../../../support/temp-dir.ts';

const REPOSITORIES = 10_000;
const TAGS = 100_000;

/** 10,000 repositories with a manifest each, and 100,000 tags in one of them, of as many manifests. */
async function fill(knex: Knex): Promise<void> {
  const numbers = (count: number) =>
    `with recursive n (i) as (select 1 union all select i + 1 from n where i < ${count})`;
  const digest = (prefix: string) => `'sha256:${prefix}' || printf('%063d', i)`;
  const run = (sql: string) => knex.raw(sql);
  await run(`${numbers(REPOSITORIES)} insert into repositories (id, name, created_at)
    select i, printf('team-%05d/app', i), 0 from n`);
  await run(`${numbers(TAGS)} insert into blobs (digest, size, location, created_at)
    select ${digest('a')}, 1, 'a', 0 from n`);
  for (const [table, columns, values] of [
    ['blob_links', 'created_at, touched_at', '0, 0'],
    ['manifests', 'media_type, pushed_at', "'x/y', 0"],
  ]) {
    await run(`${numbers(REPOSITORIES)} insert into ${table} (repository_id, digest, ${columns})
      select i, ${digest('a')}, ${values} from n where i > 1`);
    await run(`${numbers(TAGS)} insert into ${table} (repository_id, digest, ${columns})
      select 1, ${digest('a')}, ${values} from n`);
  }
  await run(`${numbers(TAGS)} insert into tags (repository_id, name, manifest_digest, updated_at)
    select 1, printf('build-%06d', i), ${digest('a')}, 0 from n`);
}

let folder: string;
let knex: Knex;
let catalog: Catalog;
before(async () => {
  folder = await makeTempDir({ after: () => {} }, 'scale');
  knex = await openDatabase({ file: join(folder, 'catalog.db') });
  await knex.raw('pragma synchronous = off');
  catalog = await openCatalog(knex);
  await fill(knex);
});
after(async () => {
  await knex.destroy();
  await removeTree(folder);
});

test('a page in the middle of 100,000 tags is found as the first one is', async (t) => {
  const nameOf = (index: number) => `build-${String(index).padStart(6, '0')}`;
  for (const start of [0, TAGS / 2, TAGS - 1000]) {
    const began = performance.now();
    const page = await catalog.tags.list('team-00001/app', { limit: 1000, after: nameOf(start) });
    t.diagnostic(`after ${start}: ${(performance.now() - began).toFixed(1)} ms`);
    assert.equal(page.names.length, 1000);
    assert.equal(page.names[0], nameOf(start + 1));
    assert.equal(page.names.at(-1), nameOf(start + 1000));
    assert.equal(page.more, start + 1000 < TAGS);
  }
});

test('10,000 repositories come in pages', async (t) => {
  const seen: string[] = [];
  const began = performance.now();
  for (let after: string | undefined; ; after = seen.at(-1)) {
    const { names, more } = await catalog.repositories.list({
      limit: 1000,
      ...(after !== undefined && { after }),
    });
    seen.push(...names);
    if (!more) break;
  }
  t.diagnostic(`all pages: ${(performance.now() - began).toFixed(1)} ms`);
  assert.equal(seen.length, REPOSITORIES);
  assert.deepEqual(seen, seen.toSorted());
});

test('a sweep of 110,000 manifests takes short steps and finds those that nothing needs', async (t) => {
  const lease = { name: 'garbage-collection', holder: 'test' };
  await catalog.garbage.takeLease(lease, 600_000);
  let steps = 0;
  let longest = 0;
  let swept = 0;
  for (let after: string | undefined, first = true; first || after !== undefined; first = false) {
    const began = performance.now();
    const window = { lease, limit: 250, ...(after !== undefined && { after }) };
    const { items, next } = await catalog.garbage.sweepManifests(window, new Date());
    longest = Math.max(longest, performance.now() - began);
    steps += 1;
    swept += items.length;
    assert.ok(items.length <= 25);
    after = next;
  }
  t.diagnostic(`${steps} steps, the longest ${longest.toFixed(1)} ms`);
  // The tags keep those of the first repository.
  assert.equal(swept, REPOSITORIES - 1);
  assert.equal((await catalog.tags.list('team-00001/app', { limit: 1 })).names.length, 1);
  assert.ok(steps >= (TAGS + REPOSITORIES) / 250);
});
