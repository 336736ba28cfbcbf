import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileTree } from '../../../../runtime-agent/builder/context/file-tree.ts';
import { byteText } from '../../../../runtime-agent/builder/context/tree-paths.ts';
import { selectSources } from '../../../../runtime-agent/builder/execute/select-sources.ts';

/** A folder of files with these names, each character a byte. */
function folderOf(names: readonly string[]): FileTree {
  const common = { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
  return {
    children: async () => names,
    entry: async (path: string) =>
      path === ''
        ? { ...common, path, kind: 'folder' }
        : names.includes(path)
          ? { ...common, path, kind: 'file', size: 1 }
          : undefined,
  } as unknown as FileTree;
}

async function select(names: readonly string[], written: string): Promise<readonly string[]> {
  const found = await selectSources(folderOf(names), written, { parents: false, dropsOwners: true });
  return found.map(({ path }) => path);
}

test('? and classes stand for characters, and for bytes where a name is no UTF-8', async () => {
  const names = [byteText('é.txt'), 'a.txt', '\xff.txt', '\xff\xfe.txt'];
  assert.deepEqual(await select(names, '?.txt'), names.slice(0, 3));
  assert.deepEqual(await select(names, '[à-ü].txt'), names.slice(0, 1));
});

test('.. ends at the root, as with BuildKit', async () => {
  for (const written of ['../a.txt', '/../../a.txt', 'x/../../a.txt', './a.txt', '../?.txt']) {
    assert.deepEqual(await select(['a.txt'], written), ['a.txt'], written);
  }
  await assert.rejects(select(['a.txt'], '../etc/passwd'), /file not found: "\/etc\/passwd"/);
});

test('a pattern that could match in many ways is done with at once', async () => {
  assert.deepEqual(await select(['a'.repeat(120)], `${'*a'.repeat(25)}b`), []);
});
