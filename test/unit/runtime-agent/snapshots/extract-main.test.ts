import assert from 'node:assert/strict';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommand } from '../../../support/run-command.ts';
import { writeTar } from '../../../support/tar-writer.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';
import { unlessRoot } from '../../../support/unless-root.ts';

const PROGRAM = join(import.meta.dirname, '../../../../runtime-agent/snapshots/unpacked/extract-main.ts');

test('what the program keeps of itself, compiled, gets into no layer', { skip: unlessRoot() }, async (t) => {
  const folder = await makeTempDir(t, 'extraction');
  const cache = join(folder, 'cache');
  const extract = async (name: string, tar: Buffer) => {
    const tree = join(folder, name);
    await mkdir(tree);
    const env = { NODE_COMPILE_CACHE: cache };
    await runCommand(process.execPath, [PROGRAM, tree], { env, input: tar });
    return tree;
  };
  await extract('first', writeTar([]));
  const [version = ''] = await readdir(cache);
  assert.notDeepEqual(await readdir(join(cache, version)), []);

  // As long as there is nothing in it, all would be kept, now in the folder of that name in the layer.
  await rm(join(cache, version), { recursive: true });
  const parts = join(cache, version).split('/').slice(1);
  const folders = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
  const tree = await extract('second', writeTar(folders.map((name) => ({ name, type: 'directory' }))));
  assert.deepEqual(await readdir(join(tree, cache, version)), []);
  assert.notDeepEqual(await readdir(join(cache, version)), []);
});
