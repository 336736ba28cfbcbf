import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
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

test('after the device has failed nothing counts as stored any more', async (t) => {
  const file = join(await makeTempDir(t, 'log-sync'), 'catalog.db');
  const log = new LogSync(file);
  await assert.rejects(log.sync(), { code: 'ENOENT' });
  await writeFile(`${file}-wal`, 'log');
  await assert.rejects(log.sync(), { code: 'ENOENT' });
});
