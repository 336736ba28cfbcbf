import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { ftruncateSync, lstatSync, writeSync } from 'node:fs';
import { open, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { mountErofsByLoop } from '../../../../lib/linux/mount/mount-erofs.ts';
import { encodeEntry } from '../../../../lib/tar/tar-writer.ts';
import type { Digest } from '../../../../oci/digest.ts';
import { ErofsLayers } from '../../../../runtime-agent/snapshots/erofs/erofs-layers.ts';
import { readLayerTree } from '../../../../runtime-agent/snapshots/erofs/read-layer-tree.ts';
import type { LayerContent } from '../../../../runtime-agent/snapshots/layer-store.ts';
import { RootfsOverlays } from '../../../../runtime-agent/snapshots/rootfs-overlays.ts';
import { describeLayerStore } from '../../../contract/layer-store.ts';
import { runCommand } from '../../../support/run-command.ts';
import { setTarChecksum, TAR_END, tarHeader, writeTar } from '../../../support/tar-writer.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

describeLayerStore('EROFS layers', (directory) => ErofsLayers.open(directory));
describeLayerStore(
  'EROFS layers through loop devices',
  (directory) => ErofsLayers.open(directory, mountErofsByLoop),
  40,
);

async function openHost(directory: string) {
  const layerStore = await ErofsLayers.open(directory);
  return { layerStore, overlays: await RootfsOverlays.open(directory, layerStore) };
}

it('EROFS: a root file system goes on when a layer below it is removed', async (t) => {
  const { layerStore, overlays } = await openHost(await makeTempDir(t, 'layers'));
  const tar = writeTar([
    { name: 'd/', type: 'directory' },
    { name: 'd/a', type: 'file', content: 'x'.repeat(100_000) },
  ]);
  const diffId = `sha256:${createHash('sha256').update(tar).digest('hex')}` as const;
  const source = async function* () {
    yield tar;
  };
  await layerStore.add(diffId, source(), t.signal);
  const { path } = await overlays.mount('c', [diffId]);
  await layerStore.remove(diffId);
  assert.equal((await readFile(join(path, 'd/a'))).length, 100_000);
  await writeFile(join(path, 'd/b'), 'x');
});

it('EROFS: zeros behind a layer are kept in its tar alone', async (t) => {
  const directory = await makeTempDir(t, 'layers');
  const { layerStore, overlays } = await openHost(directory);
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
  await layerStore.add(diffId, content, t.signal);
  assert.equal(await layerStore.tarSize(diffId), size);
  const folder = join(directory, 'layers', diffId.replace(':', '-'));
  assert.deepEqual((await readdir(folder)).sort(), ['content-size', 'fs', 'index.erofs', 'layer.tar']);
  assert.ok((await stat(join(folder, 'index.erofs'))).size < 10_000);
  const { path } = await overlays.mount('c', [diffId]);
  assert.equal(await readFile(join(path, 'd/a'), 'utf8'), 'x');
});

it('EROFS: a layer of an agent before this one is read anew before it is mounted', async (t) => {
  const directory = await makeTempDir(t, 'layers');
  const { layerStore, overlays } = await openHost(directory);
  const tar = writeTar([{ name: 'd/a', type: 'file', content: 'x'.repeat(1000) }]);
  const diffId: Digest = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
  const source = async function* () {
    yield Buffer.from(tar);
  };
  await layerStore.add(diffId, source(), t.signal);
  const folder = join(directory, 'layers', diffId.replace(':', '-'));
  // It added entries for folders, kept what had stood there, and had another program make the image.
  const end = tar.length - TAR_END.length;
  await rm(join(folder, 'index.erofs'));
  await writeFile(join(folder, 'layer.erofs'), 'what another program has made');
  await writeFile(join(folder, 'layer.tail-start'), `${end}`);
  await writeFile(join(folder, 'layer.tail'), tar.subarray(end));
  const added = writeTar([{ name: 'd/', type: 'directory', mode: 0o755 }]);
  await writeFile(join(folder, 'layer.tar'), Buffer.concat([tar.subarray(0, end), added]));

  const { path } = await overlays.mount('c', [diffId]);
  assert.equal(await readFile(join(path, 'd/a'), 'utf8'), 'x'.repeat(1000));
  assert.ok(!(await readdir(folder)).includes('layer.erofs'));
  const chunks: Uint8Array[] = [];
  for await (const chunk of layerStore.read(diffId, t.signal)) chunks.push(chunk);
  assert.ok(Buffer.concat(chunks).equals(tar));
  assert.equal(await layerStore.tarSize(diffId), tar.length);
});

it('EROFS: folders of many blocks, long links and attributes larger than a block are read as they were written', async (t) => {
  const { layerStore, overlays } = await openHost(await makeTempDir(t, 'layers'));
  // Names of all lengths and bytes, so that blocks of entries end in each way.
  const names = Array.from({ length: 3000 }, (_, index) =>
    `${String.fromCharCode(0xa1 + (index % 90))}${index}`.padEnd(1 + (index % 250), '.'),
  );
  const plain = {
    kind: 'file',
    mode: 0o644,
    uid: 7,
    gid: 2 ** 31,
    size: 0,
    mtime: -1.5,
    target: '',
    major: 0,
    minor: 0,
  } as const;
  const xattrs = new Map([1, 2, 3].map((of) => [`user.${of}`, String(of).repeat(20_000 + of)] as const));
  const target = 'l'.repeat(4000);
  const tar = Buffer.concat([
    ...names.map((name) => encodeEntry({ ...plain, path: `many/${name}`, xattrs: new Map() })),
    encodeEntry({ ...plain, path: 'attributes', xattrs }),
    encodeEntry({ ...plain, path: 'link', kind: 'symlink', target, xattrs: new Map() }),
    TAR_END,
  ]);
  const diffId: Digest = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
  const source = async function* () {
    yield Buffer.from(tar);
  };
  await layerStore.add(diffId, source(), t.signal);
  const { path } = await overlays.mount('c', [diffId]);
  const listed = await readdir(join(path, 'many'), 'buffer');
  assert.deepEqual(listed.map((name) => name.toString('latin1')).sort(), names.toSorted());
  for (const name of names) {
    const found = lstatSync(Buffer.concat([Buffer.from(`${path}/many/`), Buffer.from(name, 'latin1')]), {
      bigint: true,
    });
    assert.deepEqual([found.uid, found.gid, found.mtimeNs], [7n, 2n ** 31n, -1_500_000_000n]);
  }
  assert.equal(await readlink(join(path, 'link')), target);
  const { stdout } = await runCommand('getfattr', ['-d', '--absolute-names', join(path, 'attributes')]);
  for (const [name, value] of xattrs) assert.ok(stdout.includes(`${name}="${value}"`), name);
});

it('EROFS: a file that is too large for an index is refused', async (t) => {
  const header = tarHeader({ name: 'big', type: 'file' }, 0);
  // 1 TiB and a byte, in GNU's base 256.
  header.fill(0, 124, 136);
  header.writeUInt8(0x80, 124);
  header.writeUIntBE(2 ** 40 + 1, 130, 6);
  setTarChecksum(header);
  const path = join(await makeTempDir(t, 'large'), 'layer.tar');
  await writeFile(path, header);
  const tar = await open(path);
  try {
    assert.throws(() => readLayerTree(tar.fd), /^TarFormatError: "big" .*1 TiB/);
  } finally {
    await tar.close();
  }
});
