import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmod,
  chown,
  cp,
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
import { Worker } from 'node:worker_threads';
import { removeTree } from '../../../../lib/linux/files/remove-tree.ts';
import { loadXattrs } from '../../../../lib/linux/files/xattrs.ts';
import { loadLibc } from '../../../../lib/linux/libc.ts';
import type { TreeTars } from '../../../../runtime-agent/snapshots/diff/tree-tar.ts';
import { TreeThreads } from '../../../../runtime-agent/snapshots/diff/tree-threads.ts';
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
    const filling = join(volume, '.berth-filling');
    await rename(join(filling, 'a'), join(filling, 'b'));
    await symlink(outside, join(filling, 'a'));
  });
  await assert.rejects(new CopyUp(loadLibc(), trees, loadXattrs()).fill(volume, rootfs, '/data'), {
    code: 'bad-request',
  });
  assert.deepEqual(await readdir(outside), []);
  assert.deepEqual(await readdir(volume), []);
});

test('a link in the place of the copy itself leads nowhere outside', { skip: unlessRoot() }, async (t) => {
  const { rootfs, volume, outside } = await folders(t);
  await writeFile(join(rootfs, 'data/first'), '');
  const { trees } = treesThat(async () => undefined);
  const copyUp = new CopyUp(loadLibc(), trees, loadXattrs());
  // As fast as a container can that waits for the copy.
  const attack = `
    const { renameSync, symlinkSync } = require('node:fs');
    const { volume, outside } = require('node:worker_threads').workerData;
    for (;;) {
      try {
        renameSync(volume + '/.berth-filling', volume + '/moved');
        symlinkSync(outside, volume + '/.berth-filling');
      } catch {}
    }`;
  const attacker = new Worker(attack, { eval: true, workerData: { volume, outside } });
  t.after(() => attacker.terminate());
  await once(attacker, 'online');
  for (let round = 0; round < 25; round += 1) {
    const failure = await copyUp
      .fill(volume, rootfs, '/data')
      .catch((error: { readonly code?: unknown }) => error);
    assert.deepEqual(await readdir(outside), []);
    if (failure !== undefined) assert.match(String(failure.code), /^(conflict|bad-request)$/);
    for (const name of await readdir(volume)) await removeTree(join(volume, name));
  }
});

test('a file or link of a container that has the name of a copy is content', {
  skip: unlessRoot(),
}, async (t) => {
  const { rootfs, volume, outside } = await folders(t);
  await writeFile(join(rootfs, 'data/first'), '');
  const { trees, reads } = treesThat(async () => undefined);
  const copyUp = new CopyUp(loadLibc(), trees, loadXattrs());
  const filled = join(volume, '.berth-filled');
  await writeFile(filled, 'own');
  await copyUp.fill(volume, rootfs, '/data');
  assert.equal(await readFile(filled, 'utf8'), 'own');
  await removeTree(filled);
  await symlink(outside, filled);
  await copyUp.fill(volume, rootfs, '/data');
  assert.deepEqual([await readdir(volume), await readdir(outside), reads()], [['.berth-filled'], [], 0]);
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

/** The tree of an image in which `/data` has two folders and a file. */
async function wholeImage(rootfs: string): Promise<void> {
  await chmod(join(rootfs, 'data'), 0o1770);
  for (const name of ['a', 'b']) {
    await mkdir(join(rootfs, 'data', name));
    await writeFile(join(rootfs, 'data', name, 'file'), name);
  }
  await writeFile(join(rootfs, 'data/file'), 'file');
}

test('a volume whose filling was cut short is filled whole by the next container', {
  skip: unlessRoot(),
}, async (t) => {
  const { rootfs, volume } = await folders(t);
  await wholeImage(rootfs);
  const reached = Promise.withResolvers<void>();
  const killed = Promise.withResolvers<void>();
  const { trees } = treesThat(async () => {
    reached.resolve();
    await killed.promise;
  });
  const dying = new CopyUp(loadLibc(), trees, loadXattrs()).fill(volume, rootfs, '/data');
  await reached.promise;
  // What a container without the copy sees now, and what an agent that is killed leaves.
  assert.deepEqual(await readdir(volume), ['.berth-filling']);
  const next = new TreeThreads();
  t.after(() => next.close());
  await new CopyUp(loadLibc(), next, loadXattrs()).fill(volume, rootfs, '/data');
  assert.deepEqual((await readdir(volume)).sort(), ['a', 'b', 'file']);
  assert.equal(await readFile(join(volume, 'b/file'), 'utf8'), 'b');
  assert.equal((await stat(volume)).mode & 0o7777, 0o1770);
  killed.reject(new Error('killed'));
  await assert.rejects(dying);
});

test('a filling that was cut short while it moved in goes on, and takes nothing that was written since', {
  skip: unlessRoot(),
}, async (t) => {
  const { rootfs, volume } = await folders(t);
  await wholeImage(rootfs);
  const trees = new TreeThreads();
  t.after(() => trees.close());
  const copyUp = new CopyUp(loadLibc(), trees, loadXattrs());
  const filled = join(volume, '.berth-filled');
  await mkdir(filled, { mode: 0o1770 });
  await chmod(filled, 0o1770);
  for (const name of ['b', 'c']) await mkdir(join(filled, name));
  await writeFile(join(filled, 'file'), 'of the image');
  await mkdir(join(volume, 'a'));
  await writeFile(join(volume, 'file'), 'of a container');
  await copyUp.settle(volume);
  assert.deepEqual((await readdir(volume)).sort(), ['a', 'b', 'c', 'file']);
  assert.equal(await readFile(join(volume, 'file'), 'utf8'), 'of a container');
  assert.equal((await stat(volume)).mode & 0o7777, 0o1770);
  // It is not empty: the next container changes nothing.
  await copyUp.fill(volume, rootfs, '/data');
  assert.deepEqual((await readdir(volume)).sort(), ['a', 'b', 'c', 'file']);
});

test('a filling that fails leaves the volume empty', { skip: unlessRoot() }, async (t) => {
  const { rootfs, volume } = await folders(t);
  await wholeImage(rootfs);
  const { trees } = treesThat(async () => {
    throw new Error('no space left');
  });
  await assert.rejects(new CopyUp(loadLibc(), trees, loadXattrs()).fill(volume, rootfs, '/data'), /no space/);
  assert.deepEqual(await readdir(volume), []);
});

test('times before 1970 are kept', { skip: unlessRoot() }, async (t) => {
  const { rootfs, volume } = await folders(t);
  await wholeImage(rootfs);
  const old = new Date(-5000);
  for (const name of ['a/file', 'a']) await utimes(join(rootfs, 'data', name), old, old);
  const trees = new TreeThreads();
  t.after(() => trees.close());
  await new CopyUp(loadLibc(), trees, loadXattrs()).fill(volume, rootfs, '/data');
  for (const name of ['a/file', 'a']) {
    assert.equal((await stat(join(volume, name))).mtimeMs, -5000, name);
  }
});

test('a power cut takes nothing of a filling that counts as whole', { skip: unlessRoot() }, async (t) => {
  const { rootfs, volume } = await folders(t);
  await wholeImage(rootfs);
  const trees = new TreeThreads();
  t.after(() => trees.close());
  const device = join(await makeTempDir(t, 'device'), 'volume');
  const failing = { is: true };
  // The device has what was synced, and of later calls no more than names that moved.
  const sync = async (folder: string) => {
    assert.deepEqual(await readdir(volume), ['.berth-filling']);
    if (failing.is) throw new Error('the device is broken');
    await cp(folder, device, { recursive: true });
  };
  const copyUp = new CopyUp(loadLibc(), trees, loadXattrs(), sync);
  await assert.rejects(copyUp.fill(volume, rootfs, '/data'), /the device is broken/);
  assert.deepEqual(await readdir(volume), [], 'what may be lost does not count as whole');
  failing.is = false;
  await copyUp.fill(volume, rootfs, '/data');
  assert.deepEqual((await readdir(volume)).sort(), ['a', 'b', 'file']);
  await rename(join(device, '.berth-filling'), join(device, '.berth-filled'));
  await copyUp.settle(device);
  for (const name of ['a', 'b']) {
    assert.equal(await readFile(join(device, name, 'file'), 'utf8'), name);
  }
  assert.equal(await readFile(join(device, 'file'), 'utf8'), 'file');
});
