import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadLibc } from '../../../../runtime-agent/linux/libc.ts';
import { loadXattrs } from '../../../../runtime-agent/linux/xattrs.ts';
import type { TreeTars } from '../../../../runtime-agent/snapshots/diff/tree-tar.ts';
import { CopyUp } from '../../../../runtime-agent/volumes/copy-up.ts';
import { TAR_END, type TarEntry, writeTar } from '../../../support/tar-writer.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';
import { unlessRoot } from '../../../support/unless-root.ts';

const BEFORE: readonly TarEntry[] = [
  { name: '.', type: 'directory', mode: 0o1777, uid: 7, gid: 8 },
  { name: './a', type: 'directory' },
  { name: './a/first', type: 'file', content: 'one' },
];
const AFTER: readonly TarEntry[] = [{ name: './a/second', type: 'file', content: 'two' }];

function open(entries: readonly TarEntry[]): Uint8Array {
  return writeTar(entries).subarray(0, -TAR_END.length);
}

/** Trees whose tar is `BEFORE` and `AFTER`, with something done in between. */
function treesThat(between: () => Promise<void>): { readonly trees: TreeTars; readonly reads: () => number } {
  let reads = 0;
  async function* read() {
    reads += 1;
    yield open(BEFORE);
    await between();
    yield writeTar(AFTER);
  }
  return { trees: { read } as Partial<TreeTars> as TreeTars, reads: () => reads };
}

async function folders(scope: Parameters<typeof makeTempDir>[0]) {
  const base = await makeTempDir(scope, 'copy-up');
  const [rootfs, volume, outside] = ['rootfs', 'volume', 'outside'].map((name) => join(base, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(join(rootfs, 'data'), { recursive: true });
  await mkdir(volume);
  await mkdir(outside);
  return { rootfs, volume, outside };
}

test('a folder that becomes a link while a volume is filled leads nowhere outside', {
  skip: unlessRoot(),
}, async (t) => {
  const { rootfs, volume, outside } = await folders(t);
  await writeFile(join(rootfs, 'data/first'), '');
  const { trees } = treesThat(async () => {
    await rename(join(volume, 'a'), join(volume, 'b'));
    await symlink(outside, join(volume, 'a'));
  });
  await assert.rejects(new CopyUp(loadLibc(), trees, loadXattrs()).fill(volume, rootfs, '/data'), {
    code: 'bad-request',
  });
  assert.deepEqual(await readdir(outside), []);
});

test('containers that start at once fill their volume once, and each finds it whole', {
  skip: unlessRoot(),
}, async (t) => {
  const { rootfs, volume } = await folders(t);
  await writeFile(join(rootfs, 'data/first'), '');
  const { trees, reads } = treesThat(async () => undefined);
  const copyUp = new CopyUp(loadLibc(), trees, loadXattrs());
  const fill = async () => {
    await copyUp.fill(volume, rootfs, '/data');
    return await readFile(join(volume, 'a/second'), 'utf8');
  };
  assert.deepEqual(await Promise.all([fill(), fill(), fill()]), ['two', 'two', 'two']);
  assert.equal(reads(), 1);
  const { mode, uid, gid } = await stat(volume);
  assert.deepEqual({ mode: mode & 0o7777, uid, gid }, { mode: 0o1777, uid: 7, gid: 8 });
});

test('a volume takes owner, mode and time of a folder in which nothing is', {
  skip: unlessRoot(),
}, async (t) => {
  const { rootfs, volume } = await folders(t);
  const source = join(rootfs, 'data');
  await chown(source, 70, 71);
  await chmod(source, 0o2750);
  await utimes(source, 1000, 1000.5);
  const { trees, reads } = treesThat(async () => undefined);
  await new CopyUp(loadLibc(), trees, loadXattrs()).fill(volume, rootfs, '/data');
  const { mode, uid, gid, mtimeMs } = await stat(volume);
  const expected = { mode: 0o2750, uid: 70, gid: 71, mtimeMs: 1_000_000 };
  assert.deepEqual({ mode: mode & 0o7777, uid, gid, mtimeMs }, expected);
  assert.equal(reads(), 0, 'a thread was asked');
});
