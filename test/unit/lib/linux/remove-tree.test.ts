import assert from 'node:assert/strict';
import { once } from 'node:events';
import { promises, renameSync, symlinkSync } from 'node:fs';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { removeTree } from '../../../../lib/linux/files/remove-tree.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

/** Swaps a folder of the tree for a link after its `look`th look at a folder. */
async function removeSwapping(
  t: TestContext,
  look: number,
): Promise<{ readonly outside: readonly string[] }> {
  const base = await makeTempDir(t, 'remove-tree');
  const [tree, outside] = [join(base, 'tree'), join(base, 'outside')];
  for (const folder of [join(tree, 'folder'), outside]) {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'file'), '');
  }
  let looks = 0;
  const { readdir } = promises;
  const mocked = t.mock.method(promises, 'readdir', async (...args: Parameters<typeof readdir>) => {
    const found = await readdir(...args);
    looks += 1;
    if (looks === look) {
      renameSync(join(tree, 'folder'), join(tree, 'moved'));
      symlinkSync(outside, join(tree, 'folder'));
    }
    return found;
  });
  syncBuiltinESMExports();
  try {
    await removeTree(tree);
  } finally {
    mocked.mock.restore();
    syncBuiltinESMExports();
  }
  assert.ok(looks > look);
  await assert.rejects(access(tree), { code: 'ENOENT' });
  return { outside: await promises.readdir(outside) };
}

test('a link that comes into the place of a folder before it is opened, or while it is emptied, leads nowhere', async (t) => {
  for (const look of [1, 2]) assert.deepEqual((await removeSwapping(t, look)).outside, ['file']);
});

test('a tree that is deeper than any path, and a file, are removed, and nothing is no error', async (t) => {
  const base = await makeTempDir(t, 'remove-deep');
  const tree = join(base, 'tree');
  await mkdir(tree);
  const worker = new Worker(
    `const { mkdirSync, openSync, closeSync } = require('node:fs');
     let folder = openSync(require('node:worker_threads').workerData, 'r');
     for (let depth = 0; depth < 100; depth++) {
       mkdirSync('/proc/self/fd/' + folder + '/' + 'deeper'.repeat(10));
       const next = openSync('/proc/self/fd/' + folder + '/' + 'deeper'.repeat(10), 'r');
       closeSync(folder);
       folder = next;
     }
     closeSync(folder);`,
    { eval: true, workerData: tree },
  );
  await once(worker, 'exit');
  const file = join(base, 'file');
  await writeFile(file, '');
  for (const path of [tree, file, join(base, 'nothing')]) {
    await removeTree(path);
    await assert.rejects(access(path), { code: 'ENOENT' });
  }
});
