import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { mountErofsByLoop } from '../../../../runtime-agent/linux/mount-erofs.ts';
import { ErofsSnapshotter } from '../../../../runtime-agent/snapshots/erofs/erofs-snapshotter.ts';
import { describeSnapshotter } from '../../../contract/snapshotter.ts';
import { writeTar } from '../../../support/tar-writer.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

describeSnapshotter('EROFS snapshotter', (directory) => ErofsSnapshotter.open(directory));
describeSnapshotter(
  'EROFS snapshotter through loop devices',
  (directory) => ErofsSnapshotter.open(directory, mountErofsByLoop),
  40,
);

it('EROFS: a root file system goes on when a layer below it is removed', async (t) => {
  const snapshotter = await ErofsSnapshotter.open(await makeTempDir(t, 'snapshotter'));
  const tar = writeTar([
    { name: 'd/', type: 'directory' },
    { name: 'd/a', type: 'file', content: 'x'.repeat(100_000) },
  ]);
  const diffId = `sha256:${createHash('sha256').update(tar).digest('hex')}` as const;
  const source = async function* () {
    yield tar;
  };
  await snapshotter.addLayer(diffId, source(), t.signal);
  const { path } = await snapshotter.mountRootfs('c', [diffId]);
  await snapshotter.removeLayer(diffId);
  assert.equal((await readFile(join(path, 'd/a'))).length, 100_000);
  await writeFile(join(path, 'd/b'), 'x');
});
