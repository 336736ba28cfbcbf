import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import {
  FILE_LIMITS,
  FilesUnreadError,
  fileChanges,
  LayerFiles,
} from '../../../../server/browse/file-changes.ts';
import { type TarEntry, writeTar } from '../../../support/tar-writer.ts';

const file = (name: string, content = 'text', more: Partial<TarEntry> = {}): TarEntry => ({
  name,
  type: 'file',
  content,
  ...more,
});
const folder = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({
  name,
  type: 'directory',
  ...more,
});

/** Opens bytes as a layer, in pieces of an odd length. */
const layerOf = (bytes: Uint8Array) => async () =>
  (async function* () {
    for (let at = 0; at < bytes.length; at += 1021) yield bytes.subarray(at, at + 1021);
  })();
const never = new AbortController().signal;

const read = (layers: readonly Uint8Array[], limits = FILE_LIMITS, signal = never) =>
  new LayerFiles(limits, signal).read(layers.map(layerOf));

const compare = async (from: readonly (readonly TarEntry[])[], to: readonly (readonly TarEntry[])[]) => {
  const { changes } = fileChanges(await read(from.map(writeTar)), await read(to.map(writeTar)));
  return changes.map(({ change, path }) => `${change} ${path}`);
};

describe('files of two images', () => {
  test('are added, removed and changed, by their content and not their time', async () => {
    const before = [folder('etc/'), file('etc/same'), file('etc/text', 'one'), file('gone'), file('run')];
    const after = [
      folder('./etc/'),
      file('./etc/same'),
      file('/etc/text', 'two'),
      file('run', 'text', { mode: 0o755 }),
      folder('new/'),
      file('new/file'),
      { name: 'link', type: 'symlink', target: 'run' } as const,
    ];
    const found = fileChanges(await read([writeTar(before)]), await read([writeTar(after)]));
    assert.deepEqual([found.added, found.removed, found.changed], [2, 1, 2]);
    assert.deepEqual(found.changes, [
      {
        path: 'etc/text',
        change: 'changed',
        before: { kind: 'file', mode: 0o644, size: 3 },
        after: { kind: 'file', mode: 0o644, size: 3 },
      },
      { path: 'gone', change: 'removed', before: { kind: 'file', mode: 0o644, size: 4 } },
      { path: 'link', change: 'added', after: { kind: 'symlink', mode: 0o644, size: 0 } },
      { path: 'new/file', change: 'added', after: { kind: 'file', mode: 0o644, size: 4 } },
      {
        path: 'run',
        change: 'changed',
        before: { kind: 'file', mode: 0o644, size: 4 },
        after: { kind: 'file', mode: 0o755, size: 4 },
      },
    ]);
  });

  test('are those of all layers together: higher ones replace, remove and cover lower ones', async () => {
    const lower = [file('a', '1'), file('b'), file('c/d'), file('e/f'), file('g/h')];
    assert.deepEqual(await compare([lower], [lower, [file('a', '2'), file('.wh.b'), file('.wh.c')]]), [
      'changed a',
      'removed b',
      'removed c',
      'removed c/d',
    ]);
    assert.deepEqual(await compare([lower], [lower, [file('e/.wh..wh..opq'), file('e/new'), file('g')]]), [
      'removed e/f',
      'added e/new',
      'added g',
      'removed g/h',
    ]);
    assert.deepEqual(await compare([], [[file('.wh.shared')]]), ['removed shared']);
    assert.deepEqual(await compare([[file('.wh.shared')]], []), ['added shared']);
    assert.deepEqual(await compare([[file('.wh.shared')]], [[file('.wh.shared'), folder('x/')]]), []);
    assert.deepEqual(await compare([[file('twice', '1'), file('twice', '2')]], [[file('twice', '2')]]), []);
  });

  test('are read from gzip and zstd', async () => {
    const tar = writeTar([file('text', 'x'.repeat(5000))]);
    const plain = await read([tar]);
    for (const layer of [gzipSync(tar), zstdCompressSync(tar)]) {
      assert.deepEqual(fileChanges(plain, await read([layer])).changes, []);
    }
  });

  test('of strangers have limits', async () => {
    const tar = writeTar([file('a', 'x'.repeat(100_000)), file('b')]);
    const cases: readonly (readonly [Uint8Array, RegExp, object?])[] = [
      [
        gzipSync(writeTar([file('zeros', '\0'.repeat(3_000_000))])),
        /more than 1000000 bytes/,
        { bytes: 1_000_000 },
      ],
      [tar, /more than 1 files/, { entries: 1 }],
      [writeTar([file('x'.repeat(200))]), /too many long paths/, { pathBytes: 100 }],
      [writeTar([file('a/'.repeat(101))]), /more than 100 names/],
      [Buffer.from('x'.repeat(2000)), /not a tar/],
      [tar.subarray(0, 1000), /not a tar/],
      [gzipSync(tar).subarray(0, 100), /damaged/],
      [zstdCompressSync(tar).subarray(0, 60), /damaged/],
    ];
    for (const [layer, message, limits = {}] of cases) {
      await assert.rejects(
        read([layer], { ...FILE_LIMITS, ...limits }),
        (error: unknown) => error instanceof FilesUnreadError && message.test(error.message),
        `${message}`,
      );
    }
    const aborted = AbortSignal.abort(new Error('the client is gone'));
    await assert.rejects(read([gzipSync(tar)], FILE_LIMITS, aborted), /the client is gone/);
    const many = Array.from({ length: 3000 }, (_, index) => file(`${index}`, ''));
    const { added, changes } = fileChanges(new Map(), await read([writeTar(many)]));
    assert.deepEqual([added, changes.length], [3000, 1000]);
  });
});
