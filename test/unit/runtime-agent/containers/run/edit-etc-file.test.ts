import assert from 'node:assert/strict';
import { readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { editEtcFile } from '../../../../../runtime-agent/containers/run/run-network.ts';
import { makeTempDir } from '../../../../support/temp-dir.ts';

test('a file of names is changed in its place, and one that its container made too large is told of', async (t) => {
  const path = join(await makeTempDir(t, 'etc-file'), 'hosts');
  const told: unknown[] = [];
  const log = pino({}, { write: (line) => void told.push(JSON.parse(line).size) });
  await writeFile(path, 'one\ntwo\n');
  const { ino } = await stat(path);
  await editEtcFile(log, path, (text) => text.replace('two\n', ''));
  assert.equal(await readFile(path, 'utf8'), 'one\n');
  assert.equal((await stat(path)).ino, ino);
  const size = 3 * 2 ** 30;
  await truncate(path, size);
  await editEtcFile(log, path, () => assert.fail('it was read'));
  assert.equal((await stat(path)).size, size);
  assert.deepEqual(told, [size]);
});
