import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { runBerth } from '../support/berth-command.ts';
import { defer } from '../support/cleanup.ts';
import { TEST_CACHE } from '../support/compile-cache.ts';
import { sendRequest } from '../support/http-client.ts';
import { startProcess } from '../support/managed-process.ts';
import { RacingPusher } from '../support/racing-pusher.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const PUSHERS = 3;
const SWEEPER = join(import.meta.dirname, '../support/sweep-for-ever.ts');

test('a backup under pushes and sweeps has all that was pushed before it, and nothing half', async (t) => {
  const server = await startRegistry(t, { args: ['--gc-interval', 'off', '--log-level', 'warn'] });
  const sweeper = startProcess(t, process.execPath, [SWEEPER, server.dataDir], { env: TEST_CACHE });
  await sweeper.waitForLine(/sweeping/);
  const client = createRegistryClient(server.url);
  const folder = await makeTempDir(t, 'backup');
  const backup = join(folder, 'backup');
  const stopping = new AbortController();
  const pushers = Array.from(
    { length: PUSHERS },
    (_, index) =>
      new RacingPusher({
        url: server.url,
        repository: `race/${index}`,
        neighbour: `race/${(index + 1) % PUSHERS}`,
        contents: 40,
        tags: 6,
      }),
  );
  defer(t, () => {
    for (const pusher of pushers) pusher.close();
  });
  const pushing = Promise.all(
    pushers.map(async (pusher) => {
      while (!stopping.signal.aborted) await pusher.act();
    }),
  );
  const kept = new Map<string, string>();
  for (let round = 0; round < 2; round += 1) {
    const before = pushers.reduce((sum, { pushes }) => sum + pushes, 0);
    for (let image = 0; image < 4; image += 1) {
      const tag = `${round}-${image}`;
      kept.set(tag, (await pushUnderSweeps(client, tag)).digest);
    }
    const result = await runBerth('backup', '--data', server.dataDir, '--to', backup);
    assert.equal(result.exitCode, 0, result.stdout + result.stderr);
    assert.ok(pushers.reduce((sum, { pushes }) => sum + pushes, 0) > before, 'pushes went on');
    const restored = join(folder, `restored-${round}`);
    const restore = await runBerth('restore', '--from', backup, '--data', restored);
    assert.equal(restore.exitCode, 0, restore.stdout + restore.stderr);
    for (const data of [backup, restored]) {
      const checked = await runBerth('fsck', '--data', data);
      assert.match(checked.stdout, /^checked \d+ blobs \(.*\) and \d+ manifests: clean$/m);
    }
    const registry = await startRegistry(t, { dataDir: restored });
    for (const [tag, digest] of kept) {
      const answer = await sendRequest(`${registry.url}/v2/kept/app/manifests/${tag}`, { method: 'HEAD' });
      assert.equal(answer.headers['docker-content-digest'], digest, tag);
    }
    await registry.stop();
  }
  stopping.abort();
  await pushing;
  assert.equal((await sweeper.end('SIGTERM')).code, 0, sweeper.output());
});

test('a backup copies what is new, and deletes what nothing names any more', async (t) => {
  const server = await startRegistry(t, { adminPassword: 'right-password' });
  const client = createRegistryClient(server.url, { name: 'admin', password: 'right-password' });
  const folder = await makeTempDir(t, 'backup');
  const to = join(folder, 'backup');
  const backup = async () => (await runBerth('backup', '--data', server.dataDir, '--to', to)).stdout;
  await client.pushImage('team/app', '1');
  assert.match(await backup(), /: 3 blobs copied \(.*\), 0 deleted$/m);
  await client.pushImage('team/app', '2');
  assert.match(await backup(), /: 3 blobs copied \(.*\), 0 deleted$/m);
  assert.match(await backup(), /: 0 blobs copied \(0 B\), 0 deleted$/m);
  await client.send('DELETE', '/v2/team/app/manifests/1');
  await runBerth('gc', '--data', server.dataDir, '--grace', '0s', '--untagged');
  assert.match(await backup(), /: 0 blobs copied \(0 B\), 3 deleted$/m);

  const data = join(folder, 'restored');
  const restored = await runBerth('restore', '--from', to, '--data', data);
  assert.match(restored.stdout, /: 3 blobs \(/);
  const again = await startRegistry(t, { dataDir: data, adminPassword: 'ignored-password' });
  const user = { name: 'admin', password: 'right-password' };
  assert.equal(
    (await sendRequest(`${again.url}/v2/team/app/manifests/2`, { user })).status,
    200,
    'accounts too',
  );
});

test('what is damaged in a backup is told; folders that are in use or not empty are refused', async (t) => {
  const server = await startRegistry(t);
  const client = createRegistryClient(server.url);
  const { manifest } = await client.pushImage('team/app', '1');
  const folder = await makeTempDir(t, 'backup');
  const to = join(folder, 'backup');
  const refused = async (...args: string[]) => {
    const result = await runBerth(...args);
    assert.equal(result.exitCode, 2, result.stdout);
    return result.stderr;
  };
  const other = await startRegistry(t);
  assert.match(
    await refused('backup', '--data', server.dataDir, '--to', other.dataDir),
    /is neither empty nor a backup/,
  );
  // A link leads there from outside, and another one to the data folder itself.
  const links = await makeTempDir(t, 'links');
  await symlink(server.dataDir, join(links, 'data'));
  await mkdir(join(server.dataDir, 'empty'));
  await symlink(join(server.dataDir, 'empty'), join(links, 'empty'));
  for (const [data, to] of [
    [server.dataDir, join(links, 'empty')],
    [server.dataDir, join(links, 'data/new/backup')],
    [join(links, 'data'), join(server.dataDir, 'empty')],
  ] as const) {
    assert.match(await refused('backup', '--data', data, '--to', to), /must not be in the data folder/, to);
  }
  assert.match(
    await refused('backup', '--data', server.dataDir, '--to', join(server.dataDir, 'backup')),
    /must not be in the data folder/,
  );
  assert.equal((await runBerth('backup', '--data', server.dataDir, '--to', to)).exitCode, 0);
  assert.match(await refused('restore', '--from', to, '--data', server.dataDir), /is not empty/);
  assert.match(
    await refused('restore', '--from', folder, '--data', join(folder, 'new')),
    /is not a complete backup/,
  );

  const [layer] = manifest.layers;
  const hex = layer?.digest.slice(7) ?? '';
  const shelf = join(to, 'blobs/sha256', hex.slice(0, 2));
  const [file = ''] = await readdir(shelf);
  const bytes = await readFile(join(shelf, file));
  await writeFile(join(shelf, file), bytes.fill(0x21));
  const data = join(folder, 'restored');
  const result = await runBerth('restore', '--from', to, '--data', data);
  assert.equal(result.exitCode, 1);
  assert.match(result.stdout, new RegExp(`^damaged: ${layer?.digest}: `, 'm'));
  assert.match(result.stdout, /^1 blob lost, see above/m);
  assert.equal((await runBerth('fsck', '--data', data)).exitCode, 1);
});

/** A sweep without grace may take a part of a push before it ends; the push is made again then. */
async function pushUnderSweeps(client: ReturnType<typeof createRegistryClient>, tag: string) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await client.pushImage('kept/app', tag);
    } catch (error) {
      if (attempt === 50 || !String(error).includes('MANIFEST_BLOB_UNKNOWN')) throw error;
    }
  }
}

test('a backup is verified byte by byte, and is left as it is', async (t) => {
  const server = await startRegistry(t);
  const client = createRegistryClient(server.url);
  const { digest } = await client.pushImage('team/app', '1');
  const folder = await makeTempDir(t, 'backup');
  const backup = join(folder, 'backup');
  const verify = (...more: readonly string[]) => runBerth('backup', 'verify', '--from', backup, ...more);
  const absent = await verify();
  assert.equal(absent.exitCode, 2);
  assert.match(absent.stderr, /is not a complete backup of "berth backup"/);
  assert.equal((await runBerth('backup', '--data', server.dataDir, '--to', backup)).exitCode, 0);
  const before = await treeOf(backup);
  const whole = await verify('--max-age', '1h');
  assert.equal(whole.exitCode, 0, whole.stdout + whole.stderr);
  assert.match(whole.stdout, /^checked 3 blobs \(.*\) and 1 manifests: clean$/m);
  assert.match(whole.stderr, /^the backup in .* was completed at \d{4}-/m);
  assert.deepEqual(await treeOf(backup), before);

  await utimes(join(backup, 'catalog.sqlite'), new Date(), new Date(Date.now() - 7_200_000));
  const old = await verify('--max-age', '1h');
  assert.equal(old.exitCode, 1);
  assert.match(old.stderr, /the backup is older than 1h/);
  assert.equal((await verify('--max-age', '3h')).exitCode, 0);
  const unclear = await verify('--max-age', 'long');
  assert.equal(unclear.exitCode, 2);
  assert.match(unclear.stderr, /"long" is not a time/);

  const [damaged = ''] = (await treeOf(backup)).filter((path) =>
    path.includes(digest.slice('sha256:'.length)),
  );
  await writeFile(join(backup, damaged.split(' ')[0] ?? ''), 'something else');
  const bad = await verify('--format', 'json');
  assert.equal(bad.exitCode, 1);
  const { findings } = JSON.parse(bad.stdout);
  await truncate(join(backup, 'catalog.sqlite'), 5000);
  const half = await verify();
  assert.equal(half.exitCode, 1);
  assert.match(half.stdout, /^damaged: the catalog of the backup: /m);
  const file = await runBerth('backup', 'verify', '--from', join(backup, 'BACKUP'));
  assert.equal(file.exitCode, 2);
  assert.match(file.stderr, /is not a complete backup/);
  assert.ok(findings.every(({ outcome }: { readonly outcome: string }) => outcome === 'kept'));
  assert.ok(findings.length > 0);
});

/** Paths of the files in a folder, with their sizes and times. */
async function treeOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(
    files.sort().map(async (path) => {
      const { size, mtimeMs } = await stat(path);
      return `${relative(folder, path)} ${size} ${mtimeMs}`;
    }),
  );
}
