import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { ArchiveTree } from '../../../../runtime-agent/builder/context/archive-tree.ts';
import { receiveArchive } from '../../../../runtime-agent/builder/context/receive-archive.ts';
import { openSpool } from '../../../../runtime-agent/builder/context/spool.ts';
import { resolveInTree } from '../../../../runtime-agent/builder/context/tree-paths.ts';
import { EngineError } from '../../../../runtime-agent/errors.ts';
import type { CleanupScope } from '../../../support/cleanup.ts';
import { type TarEntry, writeTar } from '../../../support/tar-writer.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const LIMITS = { size: 32 << 20, entries: 100 };
const never = new AbortController().signal;

async function receive(
  scope: CleanupScope,
  entries: readonly TarEntry[],
  { limits = LIMITS, piece = 7000 } = {},
): Promise<ArchiveTree> {
  const directory = await makeTempDir(scope, 'spool');
  const spool = await openSpool(directory);
  assert.deepEqual(await readdir(directory), [], 'it has no name');
  const tar = writeTar(entries);
  async function* pieces() {
    for (let at = 0; at < tar.length; at += piece) yield tar.subarray(at, at + piece);
  }
  try {
    return new ArchiveTree(await receiveArchive(pieces(), spool, limits, never), spool);
  } catch (error) {
    await spool.close();
    throw error;
  }
}

async function contentOf(tree: ArchiveTree, path: string): Promise<Buffer> {
  const entry = await tree.entry(path);
  assert.equal(entry?.kind, 'file');
  const chunks: Uint8Array[] = [];
  for await (const chunk of tree.read(entry)) chunks.push(chunk);
  const content = Buffer.concat(chunks);
  assert.equal(await tree.contentDigest(entry), createHash('sha256').update(content).digest('hex'));
  return content;
}

describe('an archive that a client sends', () => {
  for (const piece of [1, 511, 7000, 5 << 20]) {
    test(`is read whole in pieces of ${piece} bytes`, async (t) => {
      const large = Buffer.alloc(piece === 1 ? 3000 : 3_300_000, 'large ');
      const small = Array.from({ length: 40 }, (_, index) => `small ${index}`);
      const files = small.map((content, index): TarEntry => ({ name: `d/${index}`, type: 'file', content }));
      const tree = await receive(
        t,
        [
          ...files,
          { name: 'large', type: 'file', content: large },
          { name: 'last', type: 'file', content: 'x' },
        ],
        { piece },
      );
      t.after(() => tree.release());
      assert.deepEqual(await contentOf(tree, 'large'), large);
      // Out of their order, too.
      for (const index of [39, 0, 20, 1, 2])
        assert.equal(`${await contentOf(tree, `d/${index}`)}`, small[index]);
      assert.equal(`${await contentOf(tree, 'last')}`, 'x');
      assert.deepEqual((await tree.children('')).toSorted(), ['d', 'large', 'last']);
    });
  }

  test('has hard links, later entries in place of earlier ones, and folders that nobody named', async (t) => {
    const tree = await receive(t, [
      { name: './a/b/file', type: 'file', content: 'first' },
      { name: 'a/b/file', type: 'file', content: 'second', mode: 0o600 },
      { name: 'hard', type: 'hardlink', target: 'a/b/file' },
      { name: 'a/', type: 'directory', mode: 0o700 },
      { name: 'link', type: 'symlink', target: '/a/b/../b' },
      { name: 'loop', type: 'symlink', target: 'loop' },
    ]);
    t.after(() => tree.release());
    assert.equal(`${await contentOf(tree, 'hard')}`, 'second');
    assert.equal((await tree.entry('a'))?.mode, 0o700);
    assert.equal((await tree.entry('a/b'))?.mode, 0o755);
    assert.equal((await resolveInTree(tree, 'link/file'))?.path, 'a/b/file');
    assert.equal((await resolveInTree(tree, '../../link/../b/new'))?.path, 'a/b/new');
    assert.equal(await resolveInTree(tree, 'loop/x'), undefined);
  });

  test('may have paths that climb above it, as dockerd takes them', async (t) => {
    const tree = await receive(t, [
      { name: '../foo', type: 'file', content: 'first' },
      { name: '/bar', type: 'file', content: 'bar' },
      { name: 'd/../../baz', type: 'file', content: 'baz' },
      { name: '../foo', type: 'file', content: 'second' },
      { name: '../hard', type: 'hardlink', target: '../foo' },
    ]);
    t.after(() => tree.release());
    assert.deepEqual(await tree.children(''), ['bar', 'baz', 'foo', 'hard']);
    assert.equal(`${await contentOf(tree, 'hard')}`, 'second');
  });

  for (const [what, entries, message] of [
    [
      'has a file below a link',
      [
        { name: 'l', type: 'symlink', target: '/' },
        { name: 'l/x', type: 'file', content: 'x' },
      ],
      /which is not a folder/,
    ],
    [
      'has a hard link to nothing',
      [{ name: 'h', type: 'hardlink', target: 'x' }],
      /names a file that is not before it/,
    ],
    [
      'has a file in place of a folder',
      [
        { name: 'd/x', type: 'file', content: 'x' },
        { name: 'd', type: 'file', content: 'x' },
      ],
      /both a folder and a file/,
    ],
  ] as const satisfies readonly (readonly [string, readonly TarEntry[], RegExp])[]) {
    test(`is refused where it ${what}`, async (t) => {
      await assert.rejects(receive(t, entries), (error: unknown) => {
        assert.ok(error instanceof EngineError && error.code === 'bad-request');
        assert.match(error.message, message);
        return true;
      });
    });
  }

  test('is refused beyond the limits', async (t) => {
    const file = (name: string, size: number): TarEntry => ({
      name,
      type: 'file',
      content: Buffer.alloc(size),
    });
    const limits = { size: 1000, entries: 3 };
    await assert.rejects(receive(t, [file('a', 600), file('b', 600)], { limits }), /larger than 1000 bytes/);
    await assert.rejects(
      receive(
        t,
        ['a', 'b', 'c'].map((name) => file(name, 1)),
        { limits },
      ),
      /more than 3 files/,
    );
  });
});
