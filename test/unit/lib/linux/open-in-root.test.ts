import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  openInRoot,
  openInRootLater,
  readFileInRoot,
  readHeadInRoot,
} from '../../../../lib/linux/files/in-root.ts';
import { loadLibc } from '../../../../lib/linux/libc.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';
import { unlessRoot } from '../../../support/unless-root.ts';

describe('readFileInRoot', () => {
  it('never leaves the tree, whatever its links say', async (t) => {
    const root = join(await makeTempDir(t, 'root'), 'tree');
    await mkdir(join(root, 'etc'), { recursive: true });
    await writeFile(join(root, '../secret'), 'of the host');
    await writeFile(join(root, 'etc/own'), 'of the tree');
    await symlink('/etc/own', join(root, 'absolute'));
    await symlink('/etc/passwd', join(root, 'host'));
    await symlink('../secret', join(root, 'above'));
    await symlink('../../../../secret', join(root, 'etc/far-above'));
    await symlink('loop', join(root, 'loop'));
    await symlink('/proc/self/root/etc/passwd', join(root, 'proc'));
    spawnSync('mkfifo', [join(root, 'fifo')]);
    const libc = loadLibc();
    const read = (path: string) => readFileInRoot(libc, root, path, 100)?.toString();
    assert.equal(read('/etc/own'), 'of the tree');
    assert.equal(read('/absolute'), 'of the tree');
    assert.equal(read('/../../etc/own'), 'of the tree');
    for (const path of [
      '/host',
      '/above',
      '/etc/far-above',
      '/loop',
      '/proc',
      '/fifo',
      '/etc',
      '/none',
      '/etc/own/x',
    ]) {
      assert.equal(read(path), undefined, path);
    }
    assert.equal(readFileInRoot(libc, root, '/etc/own', 3), undefined);
    assert.equal(readHeadInRoot(libc, root, '/etc/own', 2)?.toString(), 'of');
  });
});

describe('openInRootLater', () => {
  it('refuses links out of the tree where it is told to, and follows those inside', async (t) => {
    const root = await makeTempDir(t, 'root');
    await mkdir(join(root, 'sub'));
    for (const [name, target] of [
      ['inside', 'sub/../sub'],
      ['host', '/'],
      ['above', '../../..'],
      ['chain', 'host'],
    ] as const) {
      await symlink(target, join(root, name));
    }
    const open = (path: string) => openInRootLater(loadLibc(), root, path, 'refused');
    const fd = await open('inside');
    assert.ok(fd !== undefined);
    closeSync(fd);
    for (const path of ['host', 'above', 'chain', '../x'])
      await assert.rejects(open(path), { code: 'EXDEV' });
    for (const path of ['none', 'inside/none']) assert.equal(await open(path), undefined);
  });
});

describe('openInRoot', () => {
  it('opens no device, which could do something already', { skip: unlessRoot() }, async (t) => {
    const root = await makeTempDir(t, 'root');
    // Of which there is no driver: to open it fails.
    spawnSync('mknod', [join(root, 'device'), 'c', '0', '0']);
    const fd = openInRoot(loadLibc(), root, '/device');
    assert.ok(fd !== undefined);
    assert.ok(fstatSync(fd).isCharacterDevice());
    closeSync(fd);
    assert.equal(readFileInRoot(loadLibc(), root, '/device', 100), undefined);
  });
});
