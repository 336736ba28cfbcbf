import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { PacketSchema, StatSchema } from '../../../../../runtime-agent/builder/buildkit/proto/wire_pb.ts';
import { FolderReceiver } from '../../../../../runtime-agent/builder/buildkit/session/folder-receiver.ts';
import { FolderState } from '../../../../../runtime-agent/builder/buildkit/session/folder-state.ts';
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

const nothing = () => new FolderState(new Map());

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** Sends a listing as a client does, and answers the paths that it was asked for and the new state. */
function send(root: string, before: FolderState, files: readonly Sent[]) {
  let changes = 0;
  const receiver = new FolderReceiver(root, before, LIMITS, () => changes++);
  const asked: string[] = [];
  const repeated: string[] = [];
  files.forEach(({ path, mode = 0o644, link = '', content = '', time = 1 }, id) => {
    const stat = create(StatSchema, {
      path,
      mode: mode >>> 0,
      linkname: link,
      size: BigInt(content.length),
      modTime: BigInt(time) * 1_000_000_000n,
    });
    const message = Buffer.from(toBinary(PacketSchema, create(PacketSchema, { stat })));
    if (receiver.repeats(message)) repeated.push(path);
    else if (receiver.stat(stat, id, message)) asked.push(path);
  });
  files.forEach(({ path, content = '' }, id) => {
    if (!asked.includes(path)) return;
    for (const piece of content.match(/.{1,3}/gs) ?? []) receiver.data(id, Buffer.from(piece));
    receiver.end(id);
  });
  const state = receiver.finish();
  return { asked, repeated, state, changes };
}

describe('a folder that follows the one of a client', () => {
  test('names may begin with two dots', async (t) => {
    const root = await makeTempDir(t, 'receiver');
    send(root, nothing(), [
      { path: '..data', content: 'abc' },
      { path: '..d', mode: DIRECTORY | 0o755 },
      { path: '..d/..f', content: 'def' },
    ]);
    assert.equal(readFileSync(join(root, '..data'), 'utf8'), 'abc');
    assert.equal(readFileSync(join(root, '..d/..f'), 'utf8'), 'def');
  });

  test('a path with a slash at its end, which would follow a link of that name, is refused', async (t) => {
    const root = await makeTempDir(t, 'receiver');
    const link = { path: 'a', mode: SYMLINK | 0o777, link: '/' };
    for (const mode of [DIRECTORY | 0o755, 0o644, 0x0200_0000]) {
      const files = [link, { path: 'a/', mode }];
      assert.throws(() => send(root, nothing(), files), /the path "a\/", which is none/);
      await rm(join(root, 'a'));
    }
  });

  test('first all, then only what changed', async (t) => {
    const root = await makeTempDir(t, 'receiver');
    const files: Sent[] = [
      { path: 'a', mode: SET_UID | 0o755, content: 'abcdefgh' },
      { path: 'd', mode: DIRECTORY | 0o750 },
      { path: 'd/f', content: 'one' },
      { path: 'd/l', mode: SYMLINK | 0o777, link: '../a' },
      { path: 'e', content: '' },
    ];
    const first = send(root, nothing(), files);
    assert.deepEqual(first.asked, ['a', 'd/f', 'e']);
    assert.equal(first.changes, 1);
    assert.equal(readFileSync(join(root, 'a'), 'utf8'), 'abcdefgh');
    const entryOf = (path: string) => first.state.nodes.get(path)?.entry;
    assert.deepEqual([entryOf('a')?.mode, entryOf('a')?.mtime], [0o4755, 1]);
    assert.deepEqual([entryOf('d')?.mode, entryOf('d')?.mtime], [0o750, 1]);
    assert.equal(readlinkSync(join(root, 'd/l')), '../a');
    assert.equal(entryOf('d/l')?.mtime, 1);

    const same = send(root, first.state, files);
    assert.deepEqual([same.asked, same.changes], [[], 0]);
    assert.equal(same.state, first.state, 'nothing was looked at');

    const changed = send(root, same.state, [
      ...files.slice(0, 2),
      { path: 'd/f', content: 'two', time: 2 },
      ...files.slice(3),
    ]);
    assert.deepEqual(changed.asked, ['d/f']);
    assert.deepEqual(changed.repeated, ['a', 'd', 'd/l', 'e']);
    assert.equal(readFileSync(join(root, 'd/f'), 'utf8'), 'two');
    assert.equal(changed.state.nodes.get('d/f')?.entry.mtime, 2);
  });

  test('neither files side by side nor their content go beyond what they may', async (t) => {
    const root = await makeTempDir(t, 'receiver');
    const stat = (path: string, size: bigint) => create(StatSchema, { path, mode: 0o644, size, modTime: 1n });
    const limits = { size: 1000, entries: 1000 };
    const receiver = new FolderReceiver(root, nothing(), limits, () => undefined);
    t.after(() => receiver.abandon());
    for (let id = 0; id < 100; id += 1) receiver.stat(stat(`f${id}`, 1n), id, Buffer.alloc(10));
    for (let id = 0; id < 64; id += 1) receiver.data(id, Buffer.from('x'));
    assert.throws(() => receiver.data(64, Buffer.from('x')), /more than 64 files side by side/);
    const second = new FolderReceiver(root, nothing(), limits, () => undefined);
    t.after(() => second.abandon());
    second.stat(stat('g', 1n), 0, Buffer.alloc(10));
    assert.throws(() => second.data(0, Buffer.alloc(1001)), /larger than 1000 bytes/);
    assert.throws(() => second.stat(stat('h', -5n), 1, Buffer.alloc(10)), /the size -5/);
  });

  test('what is gone is removed, and kinds may change', async (t) => {
    const root = await makeTempDir(t, 'receiver');
    const first = send(root, nothing(), [
      { path: 'both', mode: DIRECTORY | 0o755 },
      { path: 'both/x', content: 'x' },
      { path: 'gone', mode: DIRECTORY | 0o755 },
      { path: 'gone/deep', mode: DIRECTORY | 0o755 },
      { path: 'gone/deep/f', content: 'f' },
      { path: 'was-file', content: 'w' },
    ]);
    const second = send(root, first.state, [
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
    const first = send(root, nothing(), files(1));
    assert.deepEqual(first.asked, ['a']);
    assert.equal(statSync(join(root, 'a')).ino, statSync(join(root, 'b')).ino);
    send(root, first.state, files(2));
    assert.equal(readFileSync(join(root, 'b'), 'utf8'), 'content 2');
    assert.equal(statSync(join(root, 'a')).ino, statSync(join(root, 'b')).ino);
  });

  test('what is known in memory changes nothing but the work', async (t) => {
    const [quick, slow] = [await makeTempDir(t, 'receiver'), await makeTempDir(t, 'receiver')];
    let seed = 7;
    const random = () => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return seed / 0x7fffffff;
    };
    const names = ['a', 'd/e', 'd/f', 'd/g', 'h', 'i'];
    const content = new Map(names.map((name) => [name, 1]));
    let [known, unknown] = [nothing(), nothing()];
    for (let round = 0; round < 40; round++) {
      for (const name of names) {
        if (random() < 0.2) content.set(name, round);
        else if (random() < 0.1) content.delete(name);
      }
      const files = names.flatMap((path) => {
        const time = content.get(path);
        return time === undefined ? [] : [{ path, content: `${time}`, time }];
      });
      const at = files.findIndex(({ path }) => path.startsWith('d/'));
      const sent: Sent[] = [...files];
      if (at >= 0) sent.splice(at, 0, { path: 'd', mode: DIRECTORY | 0o755, time: round });
      known = send(quick, known, sent).state;
      unknown = send(slow, new FolderState(unknown.files), sent).state;
      assert.deepEqual([...known.files], [...unknown.files]);
      assert.deepEqual([...known.files.keys()].sort(), readdirSync(quick, { recursive: true }).sort());
      for (const { path } of files) {
        assert.equal(readFileSync(join(quick, path), 'utf8'), `${content.get(path)}`);
        assert.equal(known.nodes.get(path)?.digest, sha256(`${content.get(path)}`));
      }
    }
  });

  test('no more than the limits allow', async (t) => {
    const root = await makeTempDir(t, 'receiver');
    const large = [
      { path: 'a', content: 'x'.repeat(600) },
      { path: 'b', content: 'x'.repeat(600) },
    ];
    assert.throws(() => send(root, nothing(), large), /the context is larger than 1000 bytes/);
    const many = Array.from({ length: 21 }, (_, index) => ({ path: `m${index}` }));
    assert.throws(() => send(root, nothing(), many), /the context has more than 20 files/);
  });

  for (const [name, files] of [
    ['an absolute path', [{ path: '/etc/passwd' }]],
    ['a way out', [{ path: '../x' }]],
    ['what it lies in', [{ path: '..' }]],
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
      assert.throws(() => send(join(root, 'inner'), nothing(), files), /the client sent/);
      assert.equal(readFileSync(join(root, 'outside'), 'utf8'), 'untouched');
    });
  }
});
