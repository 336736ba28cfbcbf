import assert from 'node:assert/strict';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { CacheMounts } from '../../../../runtime-agent/builder/cache/cache-mounts.ts';
import { LONGEST_WAIT } from '../../../support/longest-wait.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const [uid = 0, gid = 0] = [process.getuid?.(), process.getgid?.()];
const LOCKED = { id: 'one', sharing: 'locked', mode: 0o755, uid, gid, fill: undefined } as const;

test('a build that is cancelled while its cache is filled leaves the lock to the next', async (t) => {
  const mounts = await CacheMounts.open(await makeTempDir(t, 'caches'));
  const cancelled = new AbortController();
  const fill = async () => cancelled.abort(new Error('cancelled'));
  await assert.rejects(mounts.acquire({ ...LOCKED, fill }, cancelled.signal), /cancelled/);
  const next = await mounts.acquire(LOCKED, AbortSignal.timeout(LONGEST_WAIT));
  next.release();
});

test('a power cut takes nothing of a cache that counts as filled', async (t) => {
  const root = await makeTempDir(t, 'caches');
  const synced: string[] = [];
  const mounts = await CacheMounts.open(root, async (folder) => {
    assert.deepEqual(await readdir(root), [basename(folder)], 'it has its name already');
    synced.push(await readFile(join(folder, 'data/file'), 'utf8'));
  });
  const fill = async (folder: string) => await writeFile(join(folder, 'file'), 'content');
  const opened = await mounts.acquire({ ...LOCKED, fill }, AbortSignal.timeout(LONGEST_WAIT));
  assert.deepEqual(synced, ['content']);
  assert.equal(await readFile(join(opened.folder, 'file'), 'utf8'), 'content');
  opened.release();
});

test('a cache whose note was lost is made again, and hides no other', async (t) => {
  const root = await makeTempDir(t, 'caches');
  const mounts = await CacheMounts.open(root);
  const fill = async (folder: string) => await writeFile(join(folder, 'file'), 'content');
  const acquire = async (id: string) =>
    await mounts.acquire({ ...LOCKED, id, fill }, AbortSignal.timeout(LONGEST_WAIT));
  for (const id of ['whole', 'lost']) (await acquire(id)).release();
  const lost = await acquire('lost');
  lost.release();
  await truncate(join(lost.folder, '../cache.json'));
  await truncate(join(lost.folder, 'file'));
  assert.deepEqual(
    (await mounts.records()).map(({ description }) => description),
    ['cached mount whole'],
  );
  const again = await acquire('lost');
  assert.equal(await readFile(join(again.folder, 'file'), 'utf8'), 'content');
  again.release();
});
