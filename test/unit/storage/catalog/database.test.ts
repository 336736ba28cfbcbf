import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Knex } from 'knex';
import { openDatabase } from '../../../../storage/catalog/database.ts';
import { openCatalog } from '../../../../storage/catalog/knex-catalog.ts';
import { appliedSteps, type Migration, migrate, undoSteps } from '../../../../storage/catalog/migrate.ts';
import { inTransaction } from '../../../../storage/catalog/transaction.ts';
import { digestOf } from '../../../support/content.ts';

describe('a database file', () => {
  let folder: string;
  let file: string;
  let opened: Knex[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-database-'));
    file = join(folder, 'new', 'folder', 'catalog.db');
    opened = [];
  });

  afterEach(async () => {
    for (const knex of opened) await knex.destroy();
    await rm(folder, { recursive: true, force: true });
  });

  async function open(): Promise<Knex> {
    const knex = await openDatabase({ file });
    opened.push(knex);
    return knex;
  }

  const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

  test('is made with its folders, and nobody else can read it or its journals', async () => {
    const knex = await open();
    await knex.schema.createTable('t', (table) => table.increments('id'));
    const names = await readdir(join(folder, 'new', 'folder'));
    assert.deepEqual(names.sort(), ['catalog.db', 'catalog.db-shm', 'catalog.db-wal']);
    for (const name of names) assert.equal(await modeOf(join(folder, 'new', 'folder', name)), '600', name);
    assert.equal(await modeOf(join(folder, 'new')), '700');
    assert.equal(await modeOf(join(folder, 'new', 'folder')), '700');
  });

  test('is safe against power cuts and broken links', async () => {
    const knex = await open();
    assert.deepEqual(await knex.raw('PRAGMA journal_mode'), [{ journal_mode: 'wal' }]);
    assert.deepEqual(await knex.raw('PRAGMA synchronous'), [{ synchronous: 2 }]);
    assert.deepEqual(await knex.raw('PRAGMA foreign_keys'), [{ foreign_keys: 1 }]);
  });

  test('gets each migration once, in order, for each list', async () => {
    const ran: string[] = [];
    const step = (name: string): Migration => ({
      name,
      async up(trx) {
        ran.push(name);
        await trx.schema.createTable(`table_${name}`, (table) => table.increments('id'));
      },
    });
    const knex = await open();
    await migrate(knex, 'one', [step('a'), step('b')]);
    await migrate(knex, 'one', [step('a'), step('b')]);
    await migrate(knex, 'two', [step('c')]);
    await migrate(await open(), 'one', [step('a'), step('b'), step('d')]);
    assert.deepEqual(ran, ['a', 'b', 'c', 'd']);
    await assert.rejects(
      migrate(knex, 'one', [step('a')]),
      /later version: it has the unknown steps b, d in one/,
    );
  });

  test('keeps nothing of migrations that fail, and takes them when they are mended', async () => {
    const knex = await open();
    const good: Migration = {
      name: 'good',
      async up(trx) {
        await trx.schema.createTable('kept', (table) => table.increments('id'));
      },
    };
    const bad: Migration = { name: 'bad', up: () => Promise.reject(new Error('a mistake')) };
    await assert.rejects(migrate(knex, 'steps', [good, bad]), /a mistake/);
    assert.equal(await knex.schema.hasTable('kept'), false);
    assert.equal(await knex.schema.hasTable('steps'), false);
    await migrate(knex, 'steps', [good]);
    assert.equal(await knex.schema.hasTable('kept'), true);
  });

  test('undoes steps, the latest first, and nothing when one of them cannot be undone', async () => {
    const ran: string[] = [];
    const step = (name: string, canGo = true): Migration => ({
      name,
      up: (trx) => trx.schema.createTable(`table_${name}`, (table) => table.increments('id')),
      ...(canGo && {
        down: async (trx) => {
          ran.push(name);
          await trx.schema.dropTable(`table_${name}`);
        },
      }),
    });
    const knex = await open();
    const one = { table: 'one', steps: [step('a', false), step('b'), step('c')] };
    const two = { table: 'two', steps: [step('d')] };
    for (const { table, steps } of [one, two]) await migrate(knex, table, steps);
    const refused = undoSteps(knex, [
      { ...one, keep: 0 },
      { ...two, keep: 0 },
    ]);
    await assert.rejects(refused, /the step a cannot be undone/);
    assert.deepEqual(await appliedSteps(knex, one), ['a', 'b', 'c']);
    assert.equal(await knex.schema.hasTable('table_d'), true);
    ran.length = 0;
    const undone = await undoSteps(knex, [
      { ...one, keep: 1 },
      { ...two, keep: 0 },
    ]);
    assert.deepEqual(
      [undone, ran],
      [
        ['d', 'c', 'b'],
        ['d', 'c', 'b'],
      ],
    );
    assert.deepEqual(await appliedSteps(knex, one), ['a']);
    await migrate(knex, 'one', one.steps.slice(0, 1));
    await assert.rejects(undoSteps(knex, [{ table: 'one', steps: [], keep: 0 }]), /later version/);
  });

  test('may be opened for the first time by several at once', async () => {
    const catalogs = await Promise.all([1, 2, 3].map(async () => openCatalog(await open())));
    for (const catalog of catalogs)
      assert.deepEqual(await catalog.repositories.list({ limit: 1 }), { names: [], more: false });
  });

  test('gives way to another writer, and then has its turn', async () => {
    const [mine, theirs] = [await open(), await open()];
    await mine.schema.createTable('counter', (table) => table.integer('value'));
    await mine('counter').insert({ value: 0 });
    let attempts = 0;
    const lock = await theirs.transaction();
    await lock('counter').update({ value: 1 });
    const waiting = inTransaction(mine, async (trx) => {
      attempts += 1;
      const { value } = await trx('counter').first('value');
      if (attempts === 3) await lock.commit();
      await trx('counter').update({ value: value + 10 });
    });
    await waiting;
    assert.ok(attempts > 3);
    assert.deepEqual(await mine('counter').first('value'), { value: 11 });
  });

  test('tries no transaction again that fails for a reason of its own', async () => {
    const knex = await open();
    let attempts = 0;
    const failing = inTransaction(knex, () => {
      attempts += 1;
      return Promise.reject(new Error('no'));
    });
    await assert.rejects(failing, /no/);
    assert.equal(attempts, 1);
  });

  test('keeps compiled statements apart and notices a changed schema', async () => {
    const knex = await open();
    await knex.schema.createTable('t', (table) => table.increments('id'));
    await knex('t').insert([{ id: 1 }, { id: 2 }]);
    for (const id of [1, 2, 1]) assert.deepEqual(await knex('t').where({ id }), [{ id }]);
    await knex.schema.alterTable('t', (table) => table.string('name').defaultTo('x'));
    assert.deepEqual(await knex('t').where({ id: 1 }), [{ id: 1, name: 'x' }]);
    await knex.schema.dropTable('t');
    await knex.schema.createTable('t', (table) => table.string('name'));
    assert.deepEqual(await knex('t').select('*'), []);
    await knex('t').insert({ name: 'y' });
    await knex.schema.dropTable('t');
    await knex.schema.createTable('t', (table) => table.increments('id'));
    await knex('t').insert([{ id: 1 }, { id: 2 }]);
    assert.deepEqual(await knex('t').where({ id: 1 }), [{ id: 1 }]);
    for (let count = 0; count < 300; count += 1) {
      await knex.raw(`select ${count} as value from t limit 1`);
    }
    assert.deepEqual(await knex('t').where({ id: 2 }), [{ id: 2 }]);
  });

  test('answers every question of the catalog by an index', async () => {
    const knex = await open();
    const catalog = await openCatalog(knex);
    const digest = digestOf('x');
    const blob = { digest, size: 1, location: 'x' };
    const asked = new Map<string, readonly unknown[]>();
    knex.on('query', ({ sql, bindings }: { sql: string; bindings?: readonly unknown[] }) => {
      if (/^(?:select|update|delete)/.test(sql)) asked.set(sql, bindings ?? []);
    });
    await catalog.blobs.link('a', blob);
    await catalog.blobs.find('a', digest);
    await catalog.blobs.findAnywhere(digest);
    await catalog.blobs.mount('a', 'b', digest);
    await catalog.blobs.unlink('b', digest);
    const references = (['config', 'layer', 'manifest', 'subject'] as const).map((kind) => ({
      kind,
      digest,
    }));
    const put = { tags: ['v1'], requireManifests: false };
    await catalog.manifests.put('a', { blob, mediaType: 'x/y', references }, put);
    await catalog.manifests.put(
      'a',
      { blob, mediaType: 'x/y', references },
      { ...put, requireManifests: true },
    );
    await catalog.manifests.findByDigest('a', digest);
    await catalog.manifests.findByTag('a', 'v1');
    await catalog.manifests.referrers('a', digest, { limit: 10, after: 'sha256:', artifactType: 'x/y' });
    await catalog.blobs.holders(digest, 10);
    await catalog.blobs.sizes('a', [digest]);
    await catalog.tags.list('a', { limit: 1, after: 'v' });
    await catalog.tags.list('a', { limit: 1 });
    await catalog.repositories.list({ limit: 1, after: '0' });
    await catalog.repositories.list({ limit: 1 });
    await catalog.tags.delete('a', 'v1');
    await catalog.manifests.delete('a', digest);
    const upload = { id: 'x', size: 0, detail: '' };
    await catalog.uploads.create('a', upload);
    await catalog.uploads.update(upload, 0);
    await catalog.uploads.find('a', 'x');
    await catalog.uploads.listIdle(new Date(), 10);
    await catalog.uploads.delete('x');
    await catalog.blobs.findToRefer('a', digest);
    await catalog.blobs.relocate(blob, blob, { kind: 'deadline', until: new Date(Date.now() + 60_000) });
    await catalog.tags.history('a', 'v1', 10);
    const lease = { name: 'x', holder: 'y' };
    await catalog.garbage.takeLease(lease, 60_000);
    await catalog.garbage.takeLease(lease, 60_000);
    for (const after of [undefined, `1 ${digest}`]) {
      const window = { lease, limit: 10, ...(after !== undefined && { after }) };
      await catalog.garbage.sweepLinks(window, new Date(0));
      await catalog.garbage.sweepManifests(window, new Date(0));
      await catalog.garbage.sweepBlobs(
        { ...window, ...(after !== undefined && { after: digest }) },
        new Date(),
      );
      await catalog.check.listManifests(after, 10);
    }
    await catalog.garbage.namedOf([{ ...blob, uploadId: 'x', storedAt: new Date() }]);
    await catalog.garbage.knownUploads(['x']);
    await catalog.garbage.dropLease(lease);
    await catalog.check.listBlobs(undefined, 10);
    await catalog.check.missingLinks({ repository: 'a', digest });
    for await (const _ of catalog.names.lines()) assert.ok(_);
    assert.ok(asked.size >= 20);
    knex.removeAllListeners('query');
    for (const [sql, bindings] of asked) {
      const steps: readonly { detail: string }[] = await knex.raw(`explain query plan ${sql}`, [
        ...bindings,
      ] as never);
      const details = steps.map(({ detail }) => detail).join('\n');
      // The list of repositories alone has nothing but its order to begin with.
      assert.doesNotMatch(details, /SCAN (?!repositories USING COVERING INDEX)|TEMP B-TREE/, sql);
      if (sql.includes('`subject` = ')) assert.match(details, /subject=\?/);
      if (sql.includes('`touched_at` < ')) assert.match(details, /touched_at</);
    }
  });
});
