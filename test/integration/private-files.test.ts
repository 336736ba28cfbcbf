import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runBerth } from '../support/berth-command.ts';
import { defer } from '../support/cleanup.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const PASSWORD = 'a password of tests';

/** Files below a folder that others than their owner may use, and folders but for `folder` itself. */
async function wider(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  assert.ok(entries.length > 3, `${folder} has files`);
  const found: string[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) found.push(`${path} ${(mode & 0o777).toString(8)}`);
  }
  return found;
}

test('every command makes files for their owner alone, whatever the umask', async (t) => {
  const before = process.umask(0);
  defer(t, () => {
    process.umask(before);
  });
  const folder = await makeTempDir(t, 'private-files');
  const [data, backup, restored] = ['data', 'backup', 'restored'].map((name) => join(folder, name));
  // Folders that an administrator has made, as `mkdir` does.
  for (const path of [data, backup, restored]) await mkdir(String(path), { mode: 0o755 });
  const run = async (...args: string[]) => {
    const result = await runBerth(...args);
    assert.equal(result.exitCode, 0, `${args.join(' ')}: ${result.stdout}${result.stderr}`);
    return result.stdout;
  };
  const server = await startRegistry(t, { dataDir: String(data), adminPassword: PASSWORD });
  const client = createRegistryClient(server.url, { name: 'admin', password: PASSWORD });
  await client.pushImage('team/app', '1');
  const here = ['--data', String(data)];
  await run('user', 'add', 'ada', ...here);
  await run('token', 'rotate-keys', ...here);
  await run('gc', '--dry-run', ...here);
  await run('gc', ...here);
  await run('backup', '--to', String(backup), ...here);
  await run('backup', '--to', String(backup), ...here);
  assert.deepEqual(await wider(String(data)), []);
  assert.deepEqual(await wider(String(backup)), []);

  await chmod(join(String(backup), 'catalog.sqlite'), 0o644);
  assert.match(
    await run('fsck', '--data', String(backup)),
    /too permissive: .*\/catalog\.sqlite may hold secrets.*mode 0644.*chmod 600/,
  );
  await run('restore', '--from', String(backup), '--data', String(restored));
  assert.deepEqual(await wider(String(restored)), [], 'also from a backup that is wider');

  await chmod(join(String(restored), 'catalog.sqlite'), 0o640);
  const again = await startRegistry(t, { dataDir: String(restored), adminPassword: PASSWORD });
  await again.process().waitForLine(/catalog\.sqlite may hold secrets.*mode 0640/);
  await again.stop();
  await run('catalog', 'rebuild', '--force', '--data', String(restored));
  const aside = (await wider(String(restored))).filter((line) => !line.includes('catalog.sqlite.'));
  assert.deepEqual(aside, [], 'but for the old file, which is kept beside it as it was');
});
