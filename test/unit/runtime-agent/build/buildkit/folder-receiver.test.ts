import assert from 'node:assert/strict';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { StatSchema } from '../../../../../runtime-agent/build/buildkit/proto/wire_pb.ts';
import type { FileIndex } from '../../../../../runtime-agent/build/buildkit/session/file-index.ts';
import { FolderReceiver } from '../../../../../runtime-agent/build/buildkit/session/folder-receiver.ts';
import { makeTempDir } from '../../../../support/temp-dir.ts';

const DIRECTORY = 0x8000_0000;
const SYMLINK = 0x0800_0000;
const SET_UID = 0x0080_0000;

const LIMITS = { size: 1000, entries: 20 };

interface Sent {
  readonly path: string;
  readonly mode?: number;
  readonly link?: string;
  readonly content?: string;
  readonly time?: number;
}

/** Sends a listing as a client does, and answers the paths that it was asked for and the new index. */
function send(root: string, before: FileIndex, files: readonly Sent[]) {
  let changes = 0;
  const receiver = new FolderReceiver(root, before, LIMITS, () => changes++);
  const asked: string[] = [];
  files.forEach(({ path, mode = 0o644, link = '', content = '', time = 1 }, id) => {
    const stat = create(StatSchema, {
      path,
      mode,
      linkname: link,
      size: BigInt(content.length),
      modTime: BigInt(time) * 1_000_000_000n,
    });
    if (receiver.stat(stat, id)) asked.push(path);
  });
  files.forEach(({ path, content = '' }, id) => {
    if (!asked.includes(path)) return;
    for (const piece of content.match(/.{1,3}/gs) ?? []) receiver.data(id, Buffer.from(piece));
    receiver.end(id);
  });
  const index = receiver.finish();
  return { asked, index, changes };
}

describe('a folder that follows the one of a client', () => {
  test('first all, then only what changed', async (t) => {
    const root = await makeTempDir(t, 'receiver');
    const files: Sent[] = [
      { path: 'a', mode: SET_UID | 0o755, content: 'abcdefgh' },
      { path: 'd', mode: DIRECTORY | 0o750 },
      { path: 'd/f', content: 'one' },
      { path: 'd/l', mode: SYMLINK | 0o777, link: '../a' },
      { path: 'e', content: '' },
    ];
    const first = send(root, new Map(), files);
    assert.deepEqual(first.asked, ['a', 'd/f', 'e']);
    assert.equal(first.changes, 1);
    assert.equal(readFileSync(join(root, 'a'), 'utf8'), 'abcdefgh');
    assert.equal(statSync(join(root, 'a')).mode & 0o7777, 0o4755);
    assert.equal(statSync(join(root, 'a')).mtimeMs, 1000);
    assert.equal(statSync(join(root, 'd')).mode & 0o7777, 0o750);
    assert.equal(statSync(join(root, 'd')).mtimeMs, 1000);
    assert.equal(readlinkSync(join(root, 'd/l')), '../a');
    assert.equal(lstatSync(join(root, 'd/l')).mtimeMs, 1000);

    const same = send(root, first.index, files);
    assert.deepEqual([same.asked, same.changes], [[], 0]);

    const changed = send(root, same.index, [
      ...files.slice(0, 2),
      { path: 'd/f', content: 'two', time: 2 },
      ...files.slice(3),
    ]);
    assert.deepEqual(changed.asked, ['d/f']);
    assert.equal(readFileSync(join(root, 'd/f'), 'utf8'), 'two');
    assert.equal(statSync(join(root, 'd')).mtimeMs, 1000);
  });

  test('what is gone is removed, and kinds may change', async (t) => {
    const root = await makeTempDir(t, 'receiver');
    const first = send(root, new Map(), [
      { path: 'both', mode: DIRECTORY | 0o755 },
      { path: 'both/x', content: 'x' },
      { path: 'gone', mode: DIRECTORY | 0o755 },
      { path: 'gone/deep', mode: DIRECTORY | 0o755 },
      { path: 'gone/deep/f', content: 'f' },
      { path: 'was-file', content: 'w' },
    ]);
    const second = send(root, first.index, [
      { path: 'both', content: 'a file now' },
      { path: 'was-file', mode: DIRECTORY | 0o755 },
      { path: 'was-file/in', content: 'in' },
    ]);
    assert.deepEqual(readdirSync(root, { recursive: true }).sort(), ['both', 'was-file', 'was-file/in']);
    assert.deepEqual(second.asked, ['both', 'was-file/in']);
  });

  test('further names of a file follow it', async (t) => {
    const root = await makeTempDir(t, 'receiver');
    const files = (time: number): Sent[] => [
      { path: 'a', content: `content ${time}`, time },
      { path: 'b', link: 'a', time },
    ];
    const first = send(root, new Map(), files(1));
    assert.deepEqual(first.asked, ['a']);
    assert.equal(statSync(join(root, 'a')).ino, statSync(join(root, 'b')).ino);
    send(root, first.index, files(2));
    assert.equal(readFileSync(join(root, 'b'), 'utf8'), 'content 2');
    assert.equal(statSync(join(root, 'a')).ino, statSync(join(root, 'b')).ino);
  });

  test('no more than the limits allow', async (t) => {
    const root = await makeTempDir(t, 'receiver');
    const large = [
      { path: 'a', content: 'x'.repeat(600) },
      { path: 'b', content: 'x'.repeat(600) },
    ];
    assert.throws(() => send(root, new Map(), large), /the context is larger than 1000 bytes/);
    const many = Array.from({ length: 21 }, (_, index) => ({ path: `m${index}` }));
    assert.throws(() => send(root, new Map(), many), /the context has more than 20 files/);
  });

  for (const [name, files] of [
    ['an absolute path', [{ path: '/etc/passwd' }]],
    ['a way out', [{ path: '../x' }]],
    ['a hidden way out', [{ path: 'a', mode: DIRECTORY | 0o755 }, { path: 'a/../../x' }]],
    ['no path', [{ path: '' }]],
    ['the folder itself', [{ path: '.' }]],
    ['a zero byte', [{ path: 'a\0b' }]],
    ['a path twice', [{ path: 'a' }, { path: 'a' }]],
    ['a file in a link', [{ path: 'l', mode: SYMLINK, link: '/etc' }, { path: 'l/passwd' }]],
    ['a file in no folder', [{ path: 'nowhere/f' }]],
    ['a further name of nothing', [{ path: 'a', link: '/etc/passwd' }]],
    [
      'a further name of a link',
      [
        { path: 'a', mode: SYMLINK, link: '/etc' },
        { path: 'b', link: 'a' },
      ],
    ],
  ] as const satisfies readonly (readonly [string, readonly Sent[]])[]) {
    test(`refused: ${name}`, async (t) => {
      const root = await makeTempDir(t, 'receiver');
      mkdirSync(join(root, 'inner'));
      writeFileSync(join(root, 'outside'), 'untouched');
      assert.throws(() => send(join(root, 'inner'), new Map(), files), /the client sent/);
      assert.equal(readFileSync(join(root, 'outside'), 'utf8'), 'untouched');
    });
  }
});
