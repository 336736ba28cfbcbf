import assert from 'node:assert/strict';
import { copyFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { runBerth, runBerthIn } from '../support/berth-command.ts';
import { REGISTRY_CACHE } from '../support/compile-cache.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { expectFrozenContent, type FrozenRegistry, thawRegistry } from '../support/frozen-registry.ts';
import { LATER_VERSION } from '../support/later-steps.ts';
import { startProcess } from '../support/managed-process.ts';
import { queryPostgres, startPostgres } from '../support/postgres.ts';
import { REGISTRY_SOURCES } from '../support/programs.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

const postgres = await startPostgres({ after });

/** Everything that a schema has, and the steps that are recorded. */
async function schemaOf({ data, args }: FrozenRegistry): Promise<readonly unknown[]> {
  const url = args.find((arg) => arg.startsWith('postgres:'));
  if (url !== undefined) {
    return queryPostgres(
      url,
      `select table_name || '.' || column_name as name from information_schema.columns where table_schema = 'public'
        union all select tgname from pg_trigger where not tgisinternal
        union all select name from catalog_migrations order by name`,
    );
  }
  const database = new DatabaseSync(join(data, 'catalog.sqlite'));
  try {
    assert.deepEqual({ ...database.prepare('pragma integrity_check').get() }, { integrity_check: 'ok' });
    return [
      ...database.prepare('select sql from sqlite_master order by name').all(),
      ...database.prepare('select name from catalog_migrations order by name').all(),
    ];
  } finally {
    database.close();
  }
}

for (const kind of ['SQLite', 'PostgreSQL'] as const) {
  test(`an upgrade on ${kind} that is killed at any step leaves the old schema, and the next start ends it`, async (t) => {
    const frozen = await thawRegistry(t, kind === 'PostgreSQL' ? postgres : undefined);
    const before = await schemaOf(frozen);
    for (const place of [1, 2, 3, 4, 5]) {
      const listen = ['--listen', `127.0.0.1:${await freePort()}`];
      const upgrading = startProcess(
        t,
        process.execPath,
        [REGISTRY_SOURCES, 'serve', ...frozen.args, ...listen],
        {
          env: { ...REGISTRY_CACHE, ...LATER_VERSION, LATER_STEPS_PAUSE: String(place) },
        },
      );
      await upgrading.waitForLine(new RegExp(`pause ${place}`));
      await upgrading.end('SIGKILL');
      assert.deepEqual(await schemaOf(frozen), before, `killed at ${place}`);
    }
    const registry = await startRegistry(t, { ...frozen.options, env: LATER_VERSION });
    const names = JSON.stringify(await schemaOf(frozen));
    assert.match(names, /0900-later-pushes.*0901-later-table/);
    await expectFrozenContent(registry.url, frozen.content);
    await registry.stop();
    const old = await runBerth('serve', ...frozen.args);
    assert.equal(old.exitCode, 2);
    assert.match(
      old.stderr,
      /later version: it has the unknown steps 0900-later-pushes, 0901-later-table; use/,
    );
  });
}

for (const kind of ['SQLite', 'PostgreSQL'] as const) {
  test(`a downgrade on ${kind} that is killed at any step leaves the later schema, and the next one ends it`, async (t) => {
    const frozen = await thawRegistry(t, kind === 'PostgreSQL' ? postgres : undefined);
    await (await startRegistry(t, { ...frozen.options, env: LATER_VERSION })).stop();
    const later = await schemaOf(frozen);
    const command = ['downgrade', '--to', '0.1.0', ...frozen.args];
    for (const place of [11, 12, 13]) {
      const undoing = startProcess(t, process.execPath, [REGISTRY_SOURCES, ...command], {
        env: { ...REGISTRY_CACHE, ...LATER_VERSION, LATER_STEPS_PAUSE: String(place) },
      });
      await undoing.waitForLine(new RegExp(`pause ${place}`));
      await undoing.end('SIGKILL');
      assert.deepEqual(await schemaOf(frozen), later, `killed at ${place}`);
    }
    // PostgreSQL notices only in a moment that a client is gone.
    await eventually('the downgrade ends', async () => {
      const { exitCode, stderr } = await runBerthIn(LATER_VERSION, ...command);
      if (exitCode !== 0) assert.match(stderr, /a registry is connected to the database/);
      return exitCode === 0 ? true : undefined;
    });
    const registry = await startRegistry(t, frozen.options);
    await expectFrozenContent(registry.url, frozen.content);
  });
}

test('an upgrade makes a private copy first, keeps three, and the copy is the registry from before', async (t) => {
  const frozen = await thawRegistry(t);
  const folder = join(frozen.data, 'snapshots');
  const before = await schemaOf(frozen);
  const upgrade = async () => {
    const registry = await startRegistry(t, { ...frozen.options, env: LATER_VERSION });
    const log = registry.process().output();
    await registry.stop();
    return log;
  };
  const log = await upgrade();
  const [name = ''] = await readdir(folder);
  assert.match(name, /^catalog-0013-webhook-deliveries-\d{8}T\d{9}Z\.sqlite$/);
  assert.ok(log.includes(join(folder, name)), 'the log says where it is');
  assert.equal(((await stat(join(folder, name))).mode & 0o777).toString(8), '600');
  const copied = new DatabaseSync(join(folder, name));
  const schema = copied.prepare('select sql from sqlite_master order by name').all();
  copied.close();
  assert.deepEqual(before.slice(0, schema.length), schema);
  assert.doesNotMatch(await upgrade(), /earlier state is copied/, 'nothing is copied without steps');
  for (let round = 0; round < 3; round += 1) {
    const undone = new DatabaseSync(join(frozen.data, 'catalog.sqlite'));
    undone.exec("drop table later_table; delete from catalog_migrations where name = '0901-later-table'");
    undone.close();
    await upgrade();
  }
  const names = (await readdir(folder)).sort();
  assert.equal(names.length, 3);
  assert.ok(!names.includes(name));
});

test('while a registry of the earlier version runs, a command of a later one refuses to change its database', async (t) => {
  const frozen = await thawRegistry(t);
  const registry = await startRegistry(t, frozen.options);
  const before = await schemaOf(frozen);
  const { exitCode, stderr } = await runBerthIn(LATER_VERSION, 'gc', ...frozen.args);
  assert.equal(exitCode, 2);
  assert.match(stderr, /a registry of an earlier version runs on the data folder .*: stop it/);
  assert.deepEqual(await schemaOf(frozen), before);
  await registry.stop();
  const alone = await runBerthIn(LATER_VERSION, 'gc', ...frozen.args);
  assert.equal(alone.exitCode, 0, alone.stderr);
  assert.match(
    alone.stderr,
    /upgrading the database by 0900-later-pushes, 0901-later-table: the earlier state is copied/,
  );
});

test('an upgrade without room for the copy changes nothing, and says how much it needs', {
  skip: unlessRoot(),
}, async (t) => {
  const frozen = await thawRegistry(t);
  const small = await makeTempDir(t, 'small');
  await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=1800k', 'tmpfs', small]);
  await copyFile(join(frozen.data, 'catalog.sqlite'), join(small, 'catalog.sqlite'));
  const before = await schemaOf({ ...frozen, data: small });
  const upgrade = await runBerthIn(LATER_VERSION, 'catalog', 'upgrade', '--data', small);
  assert.equal(upgrade.exitCode, 2, upgrade.stderr);
  assert.match(
    upgrade.stderr,
    /needs \d MiB of free space in .*, which has \d MiB: free some and start again/,
  );
  assert.deepEqual(await schemaOf({ ...frozen, data: small }), before);
});
