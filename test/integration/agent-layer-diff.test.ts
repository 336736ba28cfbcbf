import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmod,
  link,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { type TarEntry, TarParser } from '../../lib/tar/tar-parser.ts';
import type { Digest } from '../../oci/digest.ts';
import type { TreeTarRequest } from '../../runtime-agent/snapshots/diff/tree-tar.ts';
import { TreeThreads } from '../../runtime-agent/snapshots/diff/tree-threads.ts';
import { ErofsLayers } from '../../runtime-agent/snapshots/erofs/erofs-layers.ts';
import { RootfsOverlays } from '../../runtime-agent/snapshots/rootfs-overlays.ts';
import { describeTree } from '../support/describe-tree.ts';
import { makeFeatureTree } from '../support/feature-tree.ts';
import { runCommand } from '../support/run-command.ts';
import { tarTree } from '../support/tar-tree.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { waitUntil } from '../support/wait-until.ts';

const never = new AbortController().signal;

it('a layer made of an upper folder, over the same layers, shows the same tree', async (t) => {
  const { layerStore, overlays, trees } = await begin(t);
  const source = await makeTempDir(t, 'source');
  await makeFeatureTree(source);
  await mkdir(join(source, 'lower/kept/deep'), { recursive: true });
  for (const name of ['lower/deleted', 'lower/kept/a', 'lower/kept/deep/b', 'lower/replaced']) {
    await writeFile(join(source, name), name);
  }
  await mkdir(join(source, 'lower/folder-to-link'));
  await writeFile(join(source, 'lower/folder-to-link/inside'), 'gone');
  const lower = await add(layerStore, Buffer.concat(await tarTree(source).toArray()));
  const { path, upper } = await overlays.mount('changed', [lower]);
  const at = (...names: string[]) => join(path, ...names);
  await makeFeatureTree(at('new'));
  await rm(at('lower/deleted'));
  await rm(at('lower/kept'), { recursive: true });
  await mkdir(at('lower/kept'));
  await writeFile(at('lower/kept/c'), 'only this is left');
  await rm(at('lower/folder-to-link'), { recursive: true });
  await symlink('kept', at('lower/folder-to-link'));
  await rm(at('modes'), { recursive: true });
  await writeFile(at('modes'), 'a file now');
  await rm(at('lower/replaced'));
  await mkdir(at('lower/replaced'));
  await writeFile(at('links/first'), 'changed');
  await rename(at('owners/user'), at('owners/renamed'));
  await link(at('sizes/block'), at('sizes/block-too'));
  await chmod(at('xattrs'), 0o700);
  for (const name of ['lower', 'links', 'owners', 'sizes', 'xattrs', 'new']) await utimes(at(name), 1, 1);
  await wholeSeconds(path);
  const expected = await describeTree(path);

  const base = await overlays.mount('base', [lower]);
  for (const overlay of [{}, { base: base.path }]) {
    const tar = await readAll(trees, { folder: upper, overlay });
    const diff = await add(layerStore, tar);
    const again = await overlays.mount('again', [lower, diff]);
    assert.deepEqual([...(await describeTree(again.path))], [...expected]);
    await overlays.remove('again');
    assert.deepEqual(await readAll(trees, { folder: upper, overlay }), tar, 'the same bytes each time');
    const names = entriesOf(tar).map(({ path }) => path);
    assert.ok(names.includes('lower/.wh.deleted'));
    assert.ok(names.includes('lower/kept/.wh..wh..opq'));
    const needless = names.filter((name) => name.startsWith('new/') && name.includes('.wh.'));
    if ('base' in overlay) assert.deepEqual(needless, []);
    assert.ok(
      entriesOf(tar).every(({ xattrs }) => ![...xattrs.keys()].some((key) => key.includes('overlay'))),
    );
  }
});

it('GNU tar reads what a tree was: owners, links, devices, attributes, long names', async (t) => {
  const { trees } = await begin(t);
  const source = await makeTempDir(t, 'source');
  await makeFeatureTree(source);
  await wholeSeconds(source);
  const target = await makeTempDir(t, 'target');
  const tar = await readAll(trees, { folder: source });
  await runCommand('tar', ['-C', target, '-xpf', '-', '--xattrs', '--xattrs-include=*', '--numeric-owner'], {
    input: tar,
  });
  assert.deepEqual([...(await describeTree(target))], [...(await describeTree(source))]);
});

it('leaves sockets out, reads holes, and clamps times, owners and modes', async (t) => {
  const { trees } = await begin(t);
  const source = await makeTempDir(t, 'source');
  await mkdir(join(source, 'a'));
  await writeFile(join(source, 'a/sparse'), 'begin');
  await truncate(join(source, 'a/sparse'), 3 << 20);
  await utimes(join(source, 'a/sparse'), 500, 500.75);
  const server = createServer().listen(join(source, 'a/socket'));
  await once(server, 'listening');
  t.after(() => server.close());
  const entries = entriesOf(
    await readAll(trees, { folder: source, owner: { uid: 7, gid: 3_000_000 }, mode: 0o640, latest: 1000 }),
  );
  assert.deepEqual(
    entries.map(({ path, uid, gid, mode, size, mtime }) => ({ path, uid, gid, mode, size, mtime })),
    [
      { path: 'a/', uid: 7, gid: 3_000_000, mode: 0o640, size: 0, mtime: 1000 },
      { path: 'a/sparse', uid: 7, gid: 3_000_000, mode: 0o640, size: 3 << 20, mtime: 500 },
    ],
  );
});

it('takes members under other names, and follows no link', async (t) => {
  const { trees } = await begin(t);
  const source = await makeTempDir(t, 'source');
  await mkdir(join(source, 'dir/sub'), { recursive: true });
  await writeFile(join(source, 'dir/sub/grüße'), 'x');
  await writeFile(join(source, 'dir/b'), 'x');
  await symlink('/etc', join(source, 'link'));
  const members = [
    { source: 'dir', target: 'app', recursive: false },
    { source: 'dir/sub', target: 'app/other', recursive: true },
    { source: 'link', target: 'etc', recursive: true },
    { source: '', target: 'all', recursive: false },
  ];
  const folder = await open(source, 'r');
  t.after(() => folder.close());
  for (const request of [
    { folder: source, members },
    { folder: folder.fd, members },
  ]) {
    const entries = entriesOf(await readAll(trees, request));
    assert.deepEqual(
      entries.map(({ path, kind }) => `${kind} ${Buffer.from(path, 'latin1')}`),
      ['folder app/', 'folder app/other/', 'file app/other/grüße', 'symlink etc', 'folder all/'],
    );
  }
  const whole = entriesOf(
    await readAll(trees, { folder: source, members: [{ source: '', target: '/', recursive: true }] }),
  );
  assert.deepEqual(
    whole.slice(0, 3).map(({ path }) => path),
    ['/', '/dir/', '/dir/b'],
  );
  const above = `../${basename(source)}`;
  for (const missing of ['nothing', 'link/passwd', 'dir/b/c', '..', above, `dir/../${above}`]) {
    const request = { folder: source, members: [{ source: missing, target: 'x', recursive: true }] };
    await assert.rejects(readAll(trees, request), { code: 'ENOENT' }, missing);
  }
});

it('refuses names that would mean a deletion, in layers only', async (t) => {
  const { trees } = await begin(t);
  const source = await makeTempDir(t, 'source');
  await writeFile(join(source, '.wh.etc'), '');
  await assert.rejects(readAll(trees, { folder: source, overlay: {} }), {
    code: 'bad-request',
    message: /"\.wh\.etc" cannot be in a layer/,
  });
  assert.equal(entriesOf(await readAll(trees, { folder: source })).length, 1);
});

it('leaves no descriptor open, whether a tar is read to its end, given up or aborted', async (t) => {
  const { trees } = await begin(t);
  const source = await makeTempDir(t, 'source');
  await mkdir(join(source, 'a/b'), { recursive: true });
  for (const name of ['a/b/one', 'a/b/two']) await writeFile(join(source, name), Buffer.alloc(4 << 20));
  await readAll(trees, { folder: source });
  const openUnder = async () => {
    const { stdout } = await runCommand('sh', [
      '-c',
      `ls -l /proc/${process.pid}/fd | grep -c -F ${source} || true`,
    ]);
    return stdout.trim();
  };
  await waitUntil('the descriptors are closed', async () => (await openUnder()) === '0');
  for await (const _ of trees.read({ folder: source }, never)) break;
  await waitUntil('the descriptors are closed', async () => (await openUnder()) === '0');
  const controller = new AbortController();
  await assert.rejects(async () => {
    for await (const _ of trees.read({ folder: source }, controller.signal)) {
      assert.notEqual(await openUnder(), '0');
      controller.abort(new Error('the client has gone'));
    }
  }, /the client has gone/);
  await waitUntil('the descriptors are closed', async () => (await openUnder()) === '0');
});

async function begin(t: TestContext) {
  const trees = new TreeThreads();
  t.after(() => trees.close());
  const directory = await makeTempDir(t, 'layers');
  const layerStore = await ErofsLayers.open(directory);
  return { trees, layerStore, overlays: await RootfsOverlays.open(directory, layerStore) };
}

async function readAll(trees: TreeThreads, request: TreeTarRequest): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of trees.read(request, never)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function add(layerStore: ErofsLayers, tar: Buffer): Promise<Digest> {
  const diffId: Digest = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
  const whole = async function* () {
    yield tar;
  };
  await layerStore.add(diffId, whole(), never);
  return diffId;
}

function entriesOf(tar: Buffer): readonly TarEntry[] {
  const entries: TarEntry[] = [];
  const parser = new TarParser({ entry: (entry) => entries.push(entry), data: () => undefined });
  parser.push(tar);
  assert.ok(parser.finish().hasEndMark);
  return entries;
}

/** Tars keep whole seconds. */
async function wholeSeconds(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true });
  assert.ok(names.length > 0);
  await runCommand('find', [folder, '-exec', 'touch', '-h', '-d', '@1700000000', '{}', '+']);
}
