import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { ftruncateSync, writeSync } from 'node:fs';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { mountErofsByLoop } from '../../../../runtime-agent/linux/mount-erofs.ts';
import { ErofsSnapshotter } from '../../../../runtime-agent/snapshots/erofs/erofs-snapshotter.ts';
import type { LayerContent } from '../../../../runtime-agent/snapshots/layer-content.ts';
import type { Digest } from '../../../../storage/oci/digest.ts';
import { describeSnapshotter } from '../../../contract/snapshotter.ts';
import { TAR_END, writeTar } from '../../../support/tar-writer.ts';
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

it('EROFS: zeros behind a layer are kept in its tar alone', async (t) => {
  const directory = await makeTempDir(t, 'snapshotter');
  const snapshotter = await ErofsSnapshotter.open(directory);
  const tar = writeTar([{ name: 'd/a', type: 'file', content: 'x' }]);
  const size = 64 << 20;
  const hash = createHash('sha256').update(tar);
  const zeros = Buffer.alloc(1 << 20);
  for (let left = size - tar.length; left > 0; left -= zeros.length) {
    hash.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
  }
  const content: LayerContent = {
    [Symbol.asyncIterator]: () => assert.fail('it is written'),
    writeInto: async (fd, grown) => {
      writeSync(fd, tar);
      // Zeros that take no room here.
      ftruncateSync(fd, size);
      grown();
    },
  };
  const diffId: Digest = `sha256:${hash.digest('hex')}`;
  await snapshotter.addLayer(diffId, content, t.signal);
  assert.equal(await snapshotter.tarSize(diffId), size);
  const folder = join(directory, 'layers', diffId.replace(':', '-'));
  assert.deepEqual((await readdir(folder)).sort(), ['content-size', 'fs', 'index.erofs', 'layer.tar']);
  assert.ok((await stat(join(folder, 'index.erofs'))).size < 10_000);
  const { path } = await snapshotter.mountRootfs('c', [diffId]);
  assert.equal(await readFile(join(path, 'd/a'), 'utf8'), 'x');
});

it('EROFS: a layer of an agent before this one is read anew before it is mounted', async (t) => {
  const directory = await makeTempDir(t, 'snapshotter');
  const snapshotter = await ErofsSnapshotter.open(directory);
  const tar = writeTar([{ name: 'd/a', type: 'file', content: 'x'.repeat(1000) }]);
  const diffId: Digest = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
  const source = async function* () {
    yield Buffer.from(tar);
  };
  await snapshotter.addLayer(diffId, source(), t.signal);
  const folder = join(directory, 'layers', diffId.replace(':', '-'));
  // It added entries for folders, kept what had stood there, and had another program make the image.
  const end = tar.length - TAR_END.length;
  await rm(join(folder, 'index.erofs'));
  await writeFile(join(folder, 'layer.erofs'), 'what another program has made');
  await writeFile(join(folder, 'layer.tail-start'), `${end}`);
  await writeFile(join(folder, 'layer.tail'), tar.subarray(end));
  const added = writeTar([{ name: 'd/', type: 'directory', mode: 0o755 }]);
  await writeFile(join(folder, 'layer.tar'), Buffer.concat([tar.subarray(0, end), added]));

  const { path } = await snapshotter.mountRootfs('c', [diffId]);
  assert.equal(await readFile(join(path, 'd/a'), 'utf8'), 'x'.repeat(1000));
  assert.ok(!(await readdir(folder)).includes('layer.erofs'));
  const chunks: Uint8Array[] = [];
  for await (const chunk of snapshotter.readLayer(diffId, t.signal)) chunks.push(chunk);
  assert.ok(Buffer.concat(chunks).equals(tar));
  assert.equal(await snapshotter.tarSize(diffId), tar.length);
});
