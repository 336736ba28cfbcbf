import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStoredRegistry } from '../../server/cli/stored-registry.ts';
import { FolderSideFiles } from '../../storage/blobs/filesystem/folder-side-files.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { listSnapshots } from '../../storage/recovery-copies/snapshot-names.ts';
import { runBerth } from '../support/berth-command.ts';
import { eventually } from '../support/eventually.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';

test('gc beside a running server deletes what it said it would, and the server knows at once', async (t) => {
  const server = await startRegistry(t);
  const registry = createRegistryClient(server.url);
  const gc = (...args: readonly string[]) => runBerth('gc', '--data', server.dataDir, ...args);
  const kept = await registry.pushImage('team/app', '1');
  const old = await registry.pushImage('team/app', '2');
  await registry.pushBlob('team/app', 'loose');
  const byDigest = `/v2/team/app/manifests/${old.digest}`;
  assert.equal((await registry.send('GET', byDigest)).status, 200);
  assert.equal((await registry.send('DELETE', '/v2/team/app/manifests/2')).status, 202);
  assert.equal((await registry.send('GET', byDigest)).status, 200, 'it is in the cache of the server');

  const young = await gc('--untagged');
  assert.equal(young.exitCode, 0);
  assert.equal(
    young.stdout,
    'deleted 0 manifests, 0 unused links, 0 blobs, 0 leftover files, 0 abandoned uploads: 0 B\n',
  );
  const dry = await gc('--untagged', '--grace', '0s', '--dry-run');
  assert.match(dry.stdout, /^would delete 1 manifest, 3 unused links, 4 blobs, 0 leftover files/);
  assert.equal((await registry.send('GET', byDigest)).status, 200);
  assert.ok(!(await readdir(server.dataDir)).some((name) => name.startsWith('dry-run')));
  const real = await gc('--untagged', '--grace', '0s');
  assert.equal(real.stdout.replace('deleted', 'would delete'), dry.stdout);

  assert.equal((await registry.send('GET', byDigest)).status, 404);
  assert.equal((await registry.send('HEAD', byDigest)).status, 404);
  for (const { digest } of old.manifest.layers) {
    assert.equal((await registry.send('GET', `/v2/team/app/blobs/${digest}`)).status, 404);
  }
  assert.deepEqual((await registry.send('GET', '/v2/team/app/manifests/1')).body, kept.bytes);
  const again = await registry.pushImage('team/app', '2');
  assert.deepEqual((await registry.send('GET', '/v2/team/app/manifests/2')).body, again.bytes);
});

test('gc gives way to another one that runs, and takes over from one that has died', async (t) => {
  const server = await startRegistry(t);
  await createRegistryClient(server.url).pushBlob('team/app', 'loose');
  await using registry = await openStoredRegistry({ data: server.dataDir });
  const lease = { name: 'garbage-collection', holder: 'another' };
  assert.ok(await registry.catalog.garbage.takeLease(lease, 600_000));
  const refused = await runBerth('gc', '--data', server.dataDir, '--grace', '0s');
  assert.equal(refused.exitCode, 1);
  assert.match(refused.stderr, /^berth: another garbage collection is running: nothing was done/);
  assert.ok(await registry.catalog.garbage.takeLease(lease, 1_000));
  const taken = await runBerth('gc', '--data', server.dataDir, '--grace', '0s');
  assert.match(taken.stdout, /^deleted 0 manifests, 1 unused link, 1 blob/);
});

test('untagged manifests go by the setting of the server, and /metrics tells what went', async (t) => {
  const first = await startInProcessRegistry(t);
  const old = await first.pushImage('team/app', '1');
  assert.equal((await first.send('DELETE', '/v2/team/app/manifests/1')).status, 202);
  await first.stop();
  const options = { data: first.data, gcInterval: 100, gcGrace: 0, gcUntagged: true };
  const registry = await startInProcessRegistry(t, options);
  await eventually('the manifest is gone', async () => {
    const { status } = await registry.send('HEAD', `/v2/team/app/manifests/${old.digest}`);
    return status === 404 || undefined;
  });
  await eventually('its content is counted', async () =>
    (await registry.metric('berth_gc_deleted_blobs_total')) === 3 ? true : undefined,
  );
  assert.equal(await registry.metric('berth_gc_deleted_manifests_total'), 1);
  const sizes = [old.manifest.config, ...old.manifest.layers].map(({ size }) => size);
  const bytes = sizes.reduce((sum, size) => sum + size, old.bytes.length);
  assert.equal(await registry.metric('berth_gc_deleted_bytes_total'), bytes);
  assert.ok((await registry.metric('berth_gc_runs_total')) >= 1);
  assert.ok((await registry.metric('berth_gc_last_duration_seconds')) > 0);
  assert.ok((await registry.metric('berth_gc_last_success_time_seconds')) > 1.7e9);
  assert.equal(await registry.metric('berth_gc_failures_total'), 0);
});

test('a garbage collection that fails is counted as such, and the next one is tried', async (t) => {
  const registry = await startInProcessRegistry(t, { gcInterval: 100, gcGrace: 0 });
  const database = await openDatabase({ file: join(registry.data, 'catalog.sqlite') });
  t.after(() => database.destroy());
  await database.schema.renameTable('leases', 'leases_away');
  await eventually('a failure is counted', async () =>
    (await registry.metric('berth_gc_failures_total')) > 0 ? true : undefined,
  );
  await database.schema.renameTable('leases_away', 'leases');
  const runs = await registry.metric('berth_gc_runs_total');
  await eventually('a run is counted', async () =>
    (await registry.metric('berth_gc_runs_total')) > runs ? true : undefined,
  );
});

test('the server collects garbage on its schedule, and keeps names when it stops', async (t) => {
  const registry = await startInProcessRegistry(t, { gcInterval: 50 });
  await registry.pushImage('team/app', '1');
  const reports = () => registry.logged.filter((line) => line.includes('garbage was collected'));
  await eventually('garbage was collected twice', () => (reports().length >= 2 ? true : undefined));
  assert.deepEqual(await listSnapshots(new FolderSideFiles(registry.data), 'names'), []);
  await registry.stop();
  const count = reports().length;
  assert.equal((await listSnapshots(new FolderSideFiles(registry.data), 'names')).length, 1);
  assert.equal(reports().length, count);
  assert.ok(!registry.logged.some((line) => JSON.parse(line).level >= 50), registry.logged.join(''));
});
