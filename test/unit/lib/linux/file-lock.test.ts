import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockFile } from '../../../../lib/linux/file-lock.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

test('a lock is held alone, or shared, until it is released', async (t) => {
  const path = join(await makeTempDir(t), 'lock');
  const alone = lockFile(path, 'alone') ?? assert.fail('not locked');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(lockFile(path, 'alone'), undefined);
  assert.equal(lockFile(path, 'shared'), undefined);
  alone.release();

  const shared = [lockFile(path, 'shared'), lockFile(path, 'shared')];
  assert.ok(shared.every((lock) => lock !== undefined));
  assert.equal(lockFile(path, 'alone'), undefined);
  for (const lock of shared) lock?.release();
  (lockFile(path, 'alone') ?? assert.fail('not locked')).release();
});

test('a file that cannot be opened is an error', () => {
  assert.throws(() => lockFile('/proc/berth/lock', 'alone'), { code: 'ENOENT' });
});
