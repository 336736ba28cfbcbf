import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeFolder } from '../../../lib/files/make-folder.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

/** As a user who is not root: root may write anywhere. */
function unprivileged(t: TestContext, work: () => void): void {
  if (process.geteuid?.() !== 0) {
    work();
    return;
  }
  const become = process.seteuid ?? assert.fail();
  t.after(() => become(0));
  become(65534);
  try {
    work();
  } finally {
    become(0);
  }
}

const refuses = (path: string, code: string) => assert.throws(() => makeFolder(path), { code });

test('folders are made with those above them, for their owner alone, and may be there', async (t) => {
  const root = await makeTempDir(t);
  makeFolder(join(root, 'a/b/c'));
  for (const path of ['a', 'a/b', 'a/b/c'])
    assert.equal(statSync(join(root, path)).mode & 0o777, 0o700, path);
  makeFolder(join(root, 'a/b/c'));
  symlinkSync(join(root, 'a'), join(root, 'link'));
  makeFolder(join(root, 'link/b/d'));
  assert.ok(statSync(join(root, 'a/b/d')).isDirectory());
  makeFolder('/');
  makeFolder('/proc');
});

test('where none can be made it says so at once', async (t) => {
  const root = await makeTempDir(t);
  writeFileSync(join(root, 'file'), '');
  symlinkSync(join(root, 'nowhere'), join(root, 'dangling'));
  symlinkSync(join(root, 'round'), join(root, 'round'));
  refuses('/proc/berth', 'ENOENT');
  refuses('/proc/berth/deep/er', 'ENOENT');
  refuses(join(root, 'file'), 'ENOTDIR');
  refuses(join(root, 'file/below'), 'ENOTDIR');
  refuses('/dev/null', 'ENOTDIR');
  refuses(join(root, 'dangling'), 'ENOENT');
  refuses(join(root, 'dangling/below'), 'ENOENT');
  refuses(join(root, 'round'), 'ELOOP');
  refuses(join(root, 'x'.repeat(300)), 'ENAMETOOLONG');
  refuses(join(root, 'x/'.repeat(3000)), 'ENAMETOOLONG');
});

test('a user who may not write there is refused, but not where the folder is there already', async (t) => {
  const root = await makeTempDir(t);
  chmodSync(root, 0o755);
  mkdirSync(join(root, 'locked/there'), { recursive: true });
  chmodSync(join(root, 'locked'), 0o555);
  unprivileged(t, () => {
    refuses(join(root, 'locked/new/one'), 'EACCES');
    makeFolder(join(root, 'locked/there'));
  });
});
