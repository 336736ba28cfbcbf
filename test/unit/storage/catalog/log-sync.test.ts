import assert from 'node:assert/strict';
import fs from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { LogSync } from '../../../../storage/catalog/log-sync.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

test('many who ask share a sync; one that runs already does not count for who asks later', async (t) => {
  const file = join(await makeTempDir(t, 'log-sync'), 'catalog.db');
  await writeFile(`${file}-wal`, 'log');
  const log = new LogSync(file);
  const first = log.sync();
  assert.equal(log.sync(), first, 'it has not begun yet');
  await Promise.resolve();
  await Promise.resolve();
  const later = [log.sync(), log.sync()];
  assert.notEqual(later[0], first);
  assert.equal(later[0], later[1]);
  await Promise.all([first, ...later]);
  await log.sync();
});

test('a sync needs no new descriptor, and one that found none is not held against the device', async (t) => {
  const file = join(await makeTempDir(t, 'log-sync'), 'catalog.db');
  await writeFile(`${file}-wal`, 'log');
  const held = new LogSync(file);
  const fresh = new LogSync(file);
  held.hold();
  const exhausted = Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
  const mocked = t.mock.method(fs, 'openSync', () => {
    throw exhausted;
  });
  syncBuiltinESMExports();
  try {
    await held.sync();
    await assert.rejects(fresh.sync(), { code: 'DATABASE_UNAVAILABLE', inDoubt: true, cause: exhausted });
  } finally {
    mocked.mock.restore();
    syncBuiltinESMExports();
  }
  await fresh.sync();
  held.close();
  fresh.close();
});

test('the log that SQLite makes anew is synced instead of the one before', async (t) => {
  const file = join(await makeTempDir(t, 'log-sync'), 'catalog.db');
  const synced: bigint[] = [];
  const log = new LogSync(file, {
    datasync: async (descriptor) => void synced.push(fs.fstatSync(descriptor, { bigint: true }).ino),
  });
  const inodeOfLog = () => fs.statSync(`${file}-wal`, { bigint: true }).ino;
  await writeFile(`${file}-wal`, 'log');
  await log.sync();
  assert.equal(synced[0], inodeOfLog());
  await rename(`${file}-wal`, `${file}-old`);
  await writeFile(`${file}-wal`, 'another');
  synced.length = 0;
  await log.sync();
  assert.equal(synced[0], inodeOfLog());
  log.close();
});

test('after a failed sync nothing counts as stored any more', async (t) => {
  const file = join(await makeTempDir(t, 'log-sync'), 'catalog.db');
  await writeFile(`${file}-wal`, 'log');
  const failure = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
  const failures: unknown[] = [];
  let works = false;
  const log = new LogSync(file, {
    onFailure: (error) => failures.push(error),
    datasync: async () => {
      if (!works) throw failure;
    },
  });
  await assert.rejects(log.sync(), failure);
  works = true;
  await assert.rejects(log.sync(), failure);
  assert.deepEqual(failures, [failure]);
  log.close();
});
