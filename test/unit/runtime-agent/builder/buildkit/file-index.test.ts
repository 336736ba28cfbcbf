import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  readFileIndex,
  readIndexedSize,
  writeFileIndex,
} from '../../../../../runtime-agent/builder/buildkit/session/file-index.ts';
import { makeTempDir } from '../../../../support/temp-dir.ts';

const FILES = new Map([['file', { mode: 0o644, size: 12_345, modified: '1', link: '' }]]);

test('an index is believed until the kernel starts anew, and only where it is whole', async (t) => {
  const path = join(await makeTempDir(t, 'index'), 'index.json');
  await writeFileIndex(path, FILES);
  assert.deepEqual(await readFileIndex(path), FILES);
  assert.equal(await readIndexedSize(path), 12_345);
  assert.equal(await readFileIndex(path, 'another-boot'), undefined, 'nobody has synced the files');
  await writeFileIndex(path, FILES, 'another-boot');
  assert.equal(await readFileIndex(path), undefined);
  assert.equal(await readIndexedSize(path), 12_345);
  for (const damaged of ['', '12345\n[]', '\0\0\0\0', '12345 ']) {
    await writeFile(path, damaged);
    assert.equal(await readFileIndex(path), undefined);
  }
});
