import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeAccountsAndRules } from '../support/accounts-and-rules.ts';
import { runBerth } from '../support/berth-command.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { queryPostgres, startPostgres } from '../support/postgres.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const postgres = await startPostgres({ after });

test('gc, fsck and backup work on a catalog in PostgreSQL, beside the server', async (t) => {
  const database = await postgres.createDatabase();
  const data = join(await makeTempDir(t, 'postgres-commands'), 'data');
  const registry = await startInProcessRegistry(t, { data, database });
  const kept = await registry.pushImage('team/app', 'kept');
  const gone = await registry.pushImage('team/app', 'gone');
  assert.equal((await registry.send('DELETE', `/v2/team/app/manifests/${gone.digest}`)).status, 202);
  const where = ['--data', data, '--database', database];

  const tried = await runBerth('gc', ...where, '--grace', '0s', '--dry-run');
  assert.match(tried.stdout, /^would delete 0 manifests, 2 unused links, 3 blobs/, tried.stderr);
  const counted = await queryPostgres<{ count: string }>(database, 'select count(*) from blobs');
  assert.equal(counted[0]?.count, '6');
  const swept = await runBerth('gc', ...where, '--grace', '0s');
  assert.match(swept.stdout, /^deleted 0 manifests, 2 unused links, 3 blobs/, swept.stderr);
  const checked = await runBerth('fsck', ...where);
  assert.match(checked.stdout, /checked 3 blobs .* and 1 manifests: clean/, checked.stderr);

  const folder = join(await makeTempDir(t, 'postgres-backup'), 'backup');
  const saved = await runBerth('backup', ...where, '--to', folder);
  assert.equal(saved.exitCode, 0, saved.stderr);
  const back = join(await makeTempDir(t, 'postgres-restored'), 'data');
  const restored = await runBerth('restore', '--from', folder, '--data', back);
  assert.equal(restored.exitCode, 0, restored.stderr);
  const again = await startInProcessRegistry(t, { data: back });
  const pulled = await again.send('GET', '/v2/team/app/manifests/kept');
  assert.equal(pulled.headers['docker-content-digest'], kept.digest);
});

for (const [what, change, said] of [
  ['a wrong password', (url: URL) => (url.password = 'wrong'), 'as berth: it refuses the password'],
  [
    'a database that is not there',
    (url: URL) => (url.pathname = '/nowhere'),
    'there is no database with this name',
  ],
  ['a port on which nothing listens', (url: URL) => (url.port = '9'), 'nothing listens there'],
  ['TLS that the server lacks', (url: URL) => url.searchParams.set('sslmode', 'require'), 'not support SSL'],
] as const) {
  test(`${what}: exit code 2 and one sentence, without the password`, async (t) => {
    const url = new URL(await postgres.createDatabase());
    const { password } = url;
    change(url);
    const data = join(await makeTempDir(t, 'postgres-refused'), 'data');
    const { exitCode, stderr } = await runBerth(
      'serve',
      '--listen',
      '127.0.0.1:0',
      '--data',
      data,
      '--database',
      url.href,
    );
    assert.equal(exitCode, 2, stderr);
    assert.match(stderr, /^berth: the database \w+ at 127\.0\.0\.1:\d+ cannot be opened[^\n]*\n$/);
    assert.ok(stderr.includes(said) && !stderr.includes(password), stderr);
  });
}

test('a database that was dropped is made anew: images, and old passwords and tokens let in', async (t) => {
  const database = await postgres.createDatabase();
  const data = join(await makeTempDir(t, 'postgres-lost'), 'data');
  const options = { auth: 'accounts', adminPassword: ADMIN_PASSWORD, data, database } as const;
  const before = await startInProcessRegistry(t, options);
  const made = await makeAccountsAndRules(before);
  const where = ['catalog', 'rebuild', '--data', data, '--database', database];
  await before.stop();
  const refused = await runBerth(...where);
  assert.equal(refused.exitCode, 2, refused.stdout);
  assert.match(refused.stderr, /the database is not empty; it has the repository team\/app/);

  const name = new URL(database).pathname.slice(1);
  const server = await postgres.createDatabase();
  await queryPostgres(server, `drop database "${name}"`);
  await queryPostgres(server, `create database "${name}"`);
  const { exitCode, stdout, stderr } = await runBerth(...where);
  assert.equal(exitCode, 0, stdout + stderr);
  assert.match(
    stdout,
    /: 2 users, 1 team, 1 grant, 2 tokens, 1 login, 1 rule, 1 tag rule, 1 quota; what was/,
  );
  const after = await startInProcessRegistry(t, { ...options, adminPassword: 'of no use' });
  await made.expectBack(after);
  await after.stop();
  assert.deepEqual(await readdir(data).then((names) => names.filter((file) => file.includes('sqlite'))), []);
});

test('commands refuse a database that holds no registry: it is not taken for an empty one', async (t) => {
  const database = await postgres.createDatabase();
  const data = join(await makeTempDir(t, 'postgres-empty'), 'data');
  const { exitCode, stderr } = await runBerth('gc', '--data', data, '--database', database);
  assert.equal(exitCode, 2);
  assert.match(stderr, /does not belong to a registry/);
});
