import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Database, openDatabase } from '../../storage/catalog/database.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import { runBerth } from '../support/berth-command.ts';
import { type CleanupScope, defer } from '../support/cleanup.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { startPostgres } from '../support/postgres.ts';
import { digestOf, OCI_INDEX, OCI_MANIFEST } from '../support/registry-client.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const TABLES = [
  ...['repositories', 'blobs', 'blob_links', 'manifests', 'manifest_references', 'tags', 'tag_history'],
  ...['uploads', 'accounts', 'teams', 'team_members', 'role_grants', 'credentials', 'logins'],
  ...['signing_keys', 'job_rules', 'providers', 'linked_accounts', 'sessions', 'device_logins'],
];

/** All rows, each as text, in the words of neither database. */
async function contentOf(database: Database): Promise<Readonly<Record<string, readonly string[]>>> {
  const content: Record<string, readonly string[]> = {};
  for (const table of TABLES) {
    const rows: readonly Record<string, unknown>[] = await database(table);
    content[table] = rows
      .map((row) =>
        JSON.stringify(
          Object.keys(row)
            .sort()
            .map((column) => [column, typeof row[column] === 'boolean' ? Number(row[column]) : row[column]]),
        ),
      )
      .sort();
  }
  return content;
}

async function openFolder(scope: CleanupScope, data: string): Promise<Database> {
  const database = await openDatabase({ file: join(data, 'catalog.sqlite') });
  defer(scope, () => database.destroy());
  return database;
}

test('a catalog moves into PostgreSQL and back with all that is in it', async (t) => {
  const postgres = await startPostgres(t);
  const url = await postgres.createDatabase();
  const data = join(await makeTempDir(t, 'migrate'), 'data');
  const before = await startInProcessRegistry(t, { data });
  const image = await before.pushImage('team/app', 'v1');
  await before.pushImage('team/app', 'v2');
  const member = { mediaType: OCI_MANIFEST, digest: image.digest, size: image.bytes.length };
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [member],
    annotations: { 'a"b': 'é\n' },
  };
  await before.pushManifest('team/app', 'all', index, OCI_INDEX);
  assert.equal((await before.send('DELETE', '/v2/team/app/manifests/v2')).status, 202);
  const upload = await before.begin('team/app');
  assert.equal((await before.send('PATCH', upload, { body: '01234' })).status, 202);
  await before.stop();
  for (const name of ['ada', 'bob']) {
    const made = await runBerth('user', 'add', name, '--data', data);
    assert.equal(made.exitCode, 0, made.stderr);
  }
  const source = await openFolder(t, data);
  // More than are copied at a time, and a table whose rows are true or false.
  for (let start = 0; start < 2_400; start += 400) {
    const rows = Array.from({ length: 400 }, (_, offset) => ({
      digest: digestOf(`${start + offset}`),
      size: 2 ** 40 + offset,
      location: `nowhere/${start + offset}`,
      created_at: Date.now(),
    }));
    await source('blobs').insert(rows);
  }
  await source('accounts').insert([
    { name: 'eve', password_hash: 'x', admin: true, created_at: '2026-01-01T00:00:00.000Z' },
    { name: 'zoe', password_hash: 'y', admin: false, created_at: '2026-01-01T00:00:00.000Z' },
  ]);
  const original = await contentOf(source);
  assert.ok(TABLES.filter((table) => (original[table]?.length ?? 0) > 0).length > 8);

  const there = await runBerth('catalog', 'migrate', '--from', data, '--to', url);
  assert.equal(there.exitCode, 0, there.stderr);
  assert.match(there.stdout, new RegExp(`^blobs: ${original.blobs?.length} rows$`, 'm'));
  const target = await openPostgres(url);
  defer(t, () => target.destroy());
  assert.deepEqual(await contentOf(target), original);

  const again = await runBerth('catalog', 'migrate', '--from', data, '--to', url);
  assert.equal(again.exitCode, 2);
  assert.match(again.stderr, /is in use: its table \w+ is not empty/);
  assert.doesNotMatch(again.stderr, /:\/\/berth:[0-9a-f]+@/);

  const after = await startInProcessRegistry(t, { data, database: url });
  assert.equal(
    (await after.send('GET', '/v2/team/app/manifests/v1')).headers['docker-content-digest'],
    image.digest,
  );
  assert.equal(
    (await after.send('PUT', `${upload}?digest=${digestOf('0123456789')}`, { body: '56789' })).status,
    201,
  );
  // What numbers itself goes on after the largest.
  await after.pushImage('team/other', 'v1');
  assert.equal((await after.send('DELETE', '/v2/team/app/manifests/all')).status, 202);
  await after.stop();

  const changed = await contentOf(target);
  const back = join(await makeTempDir(t, 'migrate-back'), 'data');
  const returned = await runBerth('catalog', 'migrate', '--from', url, '--to', back);
  assert.equal(returned.exitCode, 0, returned.stderr);
  assert.deepEqual(await contentOf(await openFolder(t, back)), changed);
});
