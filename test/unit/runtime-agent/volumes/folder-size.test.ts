import assert from 'node:assert/strict';
import { closeSync, mkdirSync, openSync, promises, renameSync, symlinkSync } from 'node:fs';
import { link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { treeSize } from '../../../../runtime-agent/snapshots/diff/tree-size.ts';
import { folderSize } from '../../../../runtime-agent/volumes/folder-size.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

/** Makes folders in each other, by descriptors as a path would be too long. */
function makeDeep(folder: string, depth: number): void {
  let above = openSync(folder, 'r');
  for (let level = 0; level < depth; level += 1) {
    const path = `/proc/self/fd/${above}/${'a'.repeat(100)}`;
    mkdirSync(path);
    const inside = openSync(path, 'r');
    closeSync(above);
    above = inside;
  }
  closeSync(above);
}

test('the size of a folder counts a file with two names once, a link as itself, and ends where paths end', async (t) => {
  const folder = await makeTempDir(t, 'folder-size');
  await mkdir(join(folder, 'inside'));
  await writeFile(join(folder, 'inside/file'), '12345');
  await link(join(folder, 'inside/file'), join(folder, 'again'));
  await symlink('/etc/', join(folder, 'link'));
  assert.equal(await folderSize(folder), 10);
  makeDeep(folder, 60);
  assert.equal(await folderSize(folder), 10);
  assert.equal(treeSize(folder), 10);
});

test('a link that comes into the place of a folder while the size is measured leads nowhere', async (t) => {
  const base = await makeTempDir(t, 'folder-size-swap');
  const [folder, outside] = [join(base, 'folder'), join(base, 'outside')];
  await mkdir(join(folder, 'inside'), { recursive: true });
  await mkdir(outside);
  await writeFile(join(outside, 'file'), '12345');
  const { opendir } = promises;
  let swapped = false;
  t.mock.method(promises, 'opendir', async (...args: Parameters<typeof opendir>) => {
    const opened = await opendir(...args);
    if (swapped) return opened;
    swapped = true;
    // Its names have been read by then.
    const names = await Array.fromAsync(opened);
    renameSync(join(folder, 'inside'), join(base, 'moved'));
    symlinkSync(outside, join(folder, 'inside'));
    return names;
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  assert.equal(await folderSize(folder), 0);
  assert.ok(swapped);
});
