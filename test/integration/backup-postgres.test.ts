import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runBerth } from '../support/berth-command.ts';
import { startPostgres } from '../support/postgres.ts';
import { createRegistryClient, type RegistryClient } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const scope = { after };
const postgres = await startPostgres(scope);
const adminPassword = 'right-password';
const user = { name: 'admin', password: adminPassword };

test('a registry over PostgreSQL goes into a backup, and from there into SQLite and PostgreSQL', async (t) => {
  const database = await postgres.createDatabase();
  const server = await startRegistry(t, { adminPassword, args: ['--database', database] });
  const client = createRegistryClient(server.url, user);
  const images = [await client.pushImage('team/app', '1'), await client.pushImage('team/app', '2')];
  await client.send('DELETE', '/v2/team/app/manifests/2');
  const again = await client.pushImage('team/other', '2');
  const folder = await makeTempDir(t, 'backup');
  const backup = join(folder, 'backup');
  const made = await runBerth('backup', '--data', server.dataDir, '--database', database, '--to', backup);
  assert.equal(made.exitCode, 0, made.stdout + made.stderr);
  await server.stop();
  assert.equal((await runBerth('fsck', '--data', backup)).exitCode, 0);

  const other = await postgres.createDatabase();
  for (const [name, args] of [
    ['sqlite', []],
    ['postgres', ['--database', other]],
  ] as const) {
    const data = join(folder, name);
    const restored = await runBerth('restore', '--from', backup, '--data', data, ...args);
    assert.equal(restored.exitCode, 0, restored.stdout + restored.stderr);
    const registry = await startRegistry(t, { dataDir: data, adminPassword: 'of-no-use', args });
    const restoredClient = createRegistryClient(registry.url, user);
    await checkTag(restoredClient, 'team/app', '1', images[0]?.bytes);
    await checkTag(restoredClient, 'team/app', '2', undefined);
    await checkTag(restoredClient, 'team/other', '2', again.bytes);
    // Numbers that the database hands out go on where they were.
    const newer = await restoredClient.pushImage('team/new', '3');
    await checkTag(restoredClient, 'team/new', '3', newer.bytes);
    await registry.stop();
    assert.equal((await runBerth('fsck', '--data', data, ...args)).exitCode, 0);
  }
  const refused = await runBerth(
    'restore',
    '--from',
    backup,
    '--data',
    join(folder, 'new'),
    '--database',
    other,
  );
  assert.equal(refused.exitCode, 2);
  assert.match(refused.stderr, /the database is not empty; it has the repository team\//);
});

test('a backup of a registry over SQLite fills PostgreSQL', async (t) => {
  const server = await startRegistry(t, { adminPassword });
  const { bytes } = await createRegistryClient(server.url, user).pushImage('team/app', '1');
  const folder = await makeTempDir(t, 'backup');
  const backup = join(folder, 'backup');
  await runBerth('backup', '--data', server.dataDir, '--to', backup);
  await server.stop();
  await rename(server.dataDir, `${server.dataDir}.gone`);
  const database = await postgres.createDatabase();
  assert.equal((await runBerth('catalog', 'upgrade', '--database', database)).exitCode, 0);
  const data = join(folder, 'restored');
  const restored = await runBerth('restore', '--from', backup, '--data', data, '--database', database);
  assert.equal(restored.exitCode, 0, restored.stdout + restored.stderr);
  const args = ['--database', database];
  const registry = await startRegistry(t, { dataDir: data, adminPassword: 'of-no-use', args });
  await checkTag(createRegistryClient(registry.url, user), 'team/app', '1', bytes);
});

async function checkTag(
  client: RegistryClient,
  repository: string,
  tag: string,
  bytes: Buffer | undefined,
): Promise<void> {
  const answer = await client.send('GET', `/v2/${repository}/manifests/${tag}`);
  assert.equal(answer.status, bytes === undefined ? 404 : 200, `${repository}:${tag}`);
  if (bytes !== undefined) assert.deepEqual(answer.body, bytes);
}
