import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type InRoot, loadInRoot } from '../../../../../lib/linux/files/in-root.ts';
import { mount, unmount } from '../../../../../lib/linux/mount/mount.ts';
import { SystemCallError } from '../../../../../lib/linux/mount-library.ts';
import { mountInView } from '../../../../../runtime-agent/containers/files/mount-in-view.ts';
import { makeTempDir } from '../../../../support/temp-dir.ts';
import { unlessRoot } from '../../../../support/unless-root.ts';

const ENOENT = 2;

test('a pipe that appears where a file is to be mounted holds nobody up', {
  skip: unlessRoot(),
}, async (t) => {
  const base = await makeTempDir(t, 'mount-in-view');
  const [folder, source] = [join(base, 'root'), join(base, 'source')];
  await mkdir(folder);
  await writeFile(source, 'content');
  const root = openSync(folder, 'r');
  const real = loadInRoot();
  let looks = 0;
  const inRoot: InRoot = {
    open: real.open,
    async openLater(place, path, flags) {
      looks += 1;
      if (looks > 1) return await real.openLater(place, path, flags);
      spawnSync('mkfifo', [join(folder, 'pipe')]);
      throw new SystemCallError('cannot open', ENOENT);
    },
  };
  try {
    await mountInView(inRoot, root, { source, destination: '/pipe', type: 'bind', options: ['bind', 'rw'] });
    assert.equal(await readFile(join(folder, 'pipe'), 'utf8'), 'content');
  } finally {
    closeSync(root);
    await unmount(join(folder, 'pipe'), { detach: true });
  }
});

test('what is mounted below a read-only source is there, and as writable as the options say', {
  skip: unlessRoot(),
}, async (t) => {
  const base = await makeTempDir(t, 'mount-in-view');
  const [folder, source] = [join(base, 'root'), join(base, 'source')];
  const below = join(source, 'below');
  for (const path of [folder, source, below]) await mkdir(path);
  await mount({ source: 'tmpfs', target: below, type: 'tmpfs', flags: [] });
  await writeFile(join(below, 'there'), '');
  const root = openSync(folder, 'r');
  const write = async (options: readonly string[]) => {
    const place = join(folder, 'place');
    try {
      await mountInView(loadInRoot(), root, { source, destination: '/place', type: 'bind', options });
      assert.equal(await readFile(join(place, 'below/there'), 'utf8'), '');
      const codes: string[] = [];
      for (const file of ['file', 'below/file']) {
        const failed = await writeFile(join(place, file), 'new').catch(({ code }) => code);
        codes.push(failed ?? 'written');
      }
      return [...codes, await readFile(join(below, 'file'), 'utf8').catch(({ code }) => code)];
    } finally {
      await unmount(place, { detach: true });
    }
  };
  try {
    assert.deepEqual(await write(['rbind', 'rro']), ['EROFS', 'EROFS', 'ENOENT']);
    assert.deepEqual(await write(['rbind', 'ro']), ['EROFS', 'written', 'new']);
    assert.deepEqual(await write(['rbind', 'rw']), ['written', 'written', 'new']);
  } finally {
    closeSync(root);
    await unmount(below, { detach: true });
  }
});
