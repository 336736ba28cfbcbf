import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { runBerth, runBerthIn } from '../support/berth-command.ts';
import { defer } from '../support/cleanup.ts';
import { REGISTRY_CACHE } from '../support/compile-cache.ts';
import { startProcess } from '../support/managed-process.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

const MAIN = join(import.meta.dirname, '../../server/main.ts');
/** A module that has a process send itself the signal END_BY when something is put into TMPDIR. */
const END_AT_CHANGE = `data:text/javascript,${encodeURIComponent(`
  import { watch } from 'node:fs';
  const watcher = watch(process.env.TMPDIR, () => {
    watcher.close();
    process.kill(process.pid, process.env.END_BY);
  });
  watcher.unref();
`)}`;

describe('a backup that somebody has changed', async () => {
  const server = await startRegistry({ after });
  const { manifest } = await createRegistryClient(server.url).pushImage('team/app', '1');
  const hex = manifest.layers[0]?.digest.slice('sha256:'.length) ?? '';
  const original = join(await makeTempDir({ after }, 'backup'), 'backup');
  const made = await runBerth('backup', '--data', server.dataDir, '--to', original);
  assert.equal(made.exitCode, 0, made.stderr);
  await server.stop();

  const copyOf = async (t: TestContext) => {
    const backup = join(await makeTempDir(t, 'changed'), 'backup');
    await cp(original, backup, { recursive: true, preserveTimestamps: true });
    const shelf = join(backup, 'blobs/sha256', hex.slice(0, 2));
    const [name = ''] = await readdir(shelf);
    return { backup, layer: join(shelf, name) };
  };
  const verify = (backup: string, env = {}) => runBerthIn(env, 'backup', 'verify', '--from', backup);

  for (const [what, replace] of [
    ['a FIFO', (path: string) => runCommand('mkfifo', [path])],
    ['a folder', (path: string) => mkdir(path)],
    ['a symbolic link', (path: string) => symlink(`${path}.moved`, path)],
  ] as const) {
    test(`${what} in place of a blob is damage, and nothing waits for it`, async (t) => {
      const { backup, layer } = await copyOf(t);
      await cp(layer, `${layer}.moved`);
      await rm(layer);
      await replace(layer);
      for (const args of [
        ['backup', 'verify', '--from', backup],
        ['fsck', '--data', backup],
        ['restore', '--from', backup, '--data', `${backup}-restored`],
      ]) {
        const { exitCode, stdout } = await runBerth(...args);
        assert.equal(exitCode, 1, stdout);
        assert.match(stdout, new RegExp(`^damaged: sha256:${hex}: .*not a regular file`, 'm'));
      }
    });
  }

  test('what is no backup is refused in one sentence', async (t) => {
    const { backup } = await copyOf(t);
    const refused = async () => {
      for (const args of [
        ['restore', '--data', `${backup}-restored`],
        ['backup', 'verify'],
      ]) {
        const { exitCode, stderr } = await runBerth(...args, '--from', backup);
        assert.equal(exitCode, 2, stderr);
        assert.match(stderr, /^berth: \S+ is not a complete backup of "berth backup"\n$/);
      }
    };
    const kind = await readFile(join(backup, 'BACKUP'));
    for (const [name, replace] of [
      ['BACKUP', (path: string) => mkdir(path)],
      ['BACKUP', (path: string) => runCommand('mkfifo', [path])],
      ['catalog.sqlite', (path: string) => mkdir(path)],
      ['catalog.sqlite', (path: string) => runCommand('mkfifo', [path])],
    ] as const) {
      const path = join(backup, name);
      await rm(path, { recursive: true });
      await replace(path);
      await refused();
      await rm(path, { recursive: true });
      await cp(join(original, name), path);
    }
    assert.deepEqual(await readFile(join(backup, 'BACKUP')), kind);
    await rm(backup, { recursive: true });
    await writeFile(backup, kind);
    await refused();
  });

  test('a verification that is stopped leaves nothing, and the next one deletes what a killed one left', async (t) => {
    const folder = await makeTempDir(t, 'tmp');
    await writeFile(join(folder, 'berth-verify-file'), 'a file of another program');
    await mkdir(join(folder, 'berth-verify-folder/inside'), { recursive: true });
    const kept = (await readdir(folder)).sort();
    const endOnceItCopies = (signal: NodeJS.Signals) => {
      const env = {
        ...REGISTRY_CACHE,
        TMPDIR: folder,
        NODE_OPTIONS: `--import ${END_AT_CHANGE}`,
        END_BY: signal,
      };
      return startProcess(t, process.execPath, [MAIN, 'backup', 'verify', '--from', original], { env })
        .exited;
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      assert.deepEqual(await endOnceItCopies(signal), { code: 1, signal: null });
      assert.deepEqual((await readdir(folder)).sort(), kept);
    }
    assert.equal((await endOnceItCopies('SIGKILL')).signal, 'SIGKILL');
    assert.equal((await readdir(folder)).length, kept.length + 1);
    const whole = await verify(original, { TMPDIR: folder });
    assert.equal(whole.exitCode, 0, whole.stderr);
    assert.deepEqual((await readdir(folder)).sort(), kept);
  });

  test('a backup on a read-only file system is verified, with a lock and without', {
    skip: unlessRoot(),
  }, async (t) => {
    const { backup } = await copyOf(t);
    for (const remove of [[], ['lock'], ['uploads', 'locks']]) {
      for (const name of remove) await rm(join(backup, name), { recursive: true, force: true });
      await runCommand('mount', ['--bind', '-o', 'ro', backup, backup]);
      const unmount = async () => {
        await runCommand('umount', ['--lazy', backup], { expectExit: 'any' });
      };
      defer(t, unmount);
      await assert.rejects(writeFile(join(backup, 'new'), ''), /EROFS/);
      const { exitCode, stderr, stdout } = await verify(backup);
      assert.equal(exitCode, 0, stderr);
      assert.match(stdout, /: clean$/m);
      await unmount();
    }
    assert.ok((await stat(backup)).isDirectory());
  });
});
