import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Digest } from '../../oci/digest.ts';
import { EngineError } from '../../runtime-agent/errors.ts';
import { ErofsLayers } from '../../runtime-agent/snapshots/erofs/erofs-layers.ts';
import type { LayerStore } from '../../runtime-agent/snapshots/layer-store.ts';
import { RootfsOverlays } from '../../runtime-agent/snapshots/rootfs-overlays.ts';
import { UnpackedLayers } from '../../runtime-agent/snapshots/unpacked/unpacked-layers.ts';
import { describeTree } from '../support/describe-tree.ts';
import { fc } from '../support/properties.ts';
import { setTarChecksum, type TarEntry, writeTar } from '../support/tar-writer.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unpackByUmoci } from '../support/umoci-tree.ts';
import { unlessRoot } from '../support/unless-root.ts';

const BLOCK = 512;
const NAMES = ['a', 'b', 'c', 'é', 'n'.repeat(255)];
const name = fc.constantFrom(...NAMES);
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
/** Ways to write a path that lead to the same place. */
const spelling = fc.constantFrom('', '/', './', '../', 'b/../', '//');
const target = fc
  .tuple(
    fc.constantFrom('', '/', '../', './', '../../', 'a/../'),
    path,
    fc.constantFrom('', '/', '/..', '/.'),
  )
  .map((parts) => parts.join(''));
const attributes = fc.record({
  mode: fc.constantFrom(0o644, 0o755, 0o4755, 0o2750, 0o1777, 0),
  uid: fc.constantFrom(0, 1000),
  gid: fc.constantFrom(0, 2000),
});
const placed = fc.tuple(spelling, path).map((parts) => parts.join(''));

/** What an image may hold, in any order: most of these entries meet others of their names. */
const entry: fc.Arbitrary<TarEntry> = fc.oneof(
  { weight: 4, arbitrary: entryOf('file', { content: fc.constantFrom('', 'x', 'y'.repeat(700)) }) },
  { weight: 4, arbitrary: entryOf('directory', {}).map((made) => ({ ...made, name: `${made.name}/` })) },
  { weight: 4, arbitrary: entryOf('symlink', { target }) },
  { weight: 2, arbitrary: entryOf('hardlink', { target: path }) },
  { weight: 1, arbitrary: entryOf('fifo', {}) },
  { weight: 1, arbitrary: entryOf('char', { major: fc.constant(1), minor: fc.constantFrom(3, 5) }) },
);

function entryOf(
  type: TarEntry['type'],
  more: { readonly [key in keyof TarEntry]?: fc.Arbitrary<TarEntry[key]> },
): fc.Arbitrary<TarEntry> {
  return fc
    .tuple(placed, attributes, fc.record(more as Record<string, fc.Arbitrary<unknown>>))
    .map(([placedName, given, own]) => ({ name: placedName, type, ...given, ...own }) as TarEntry);
}

/** An entry below a link, before and after what the link leads to. */
const BELOW_LINKS = ['a/b', '/a/b', '../../a/b', './a/../a/b', 'b'].flatMap((to): [TarEntry[]][] => {
  const folders: TarEntry[] = ['a/', 'a/b/', 'b/'].map((folder) => ({ name: folder, type: 'directory' }));
  const link: TarEntry = { name: 'c', type: 'symlink', target: to };
  const below: TarEntry = { name: 'c/n', type: 'file', content: 'x' };
  return [[[...folders, link, below]], [[link, ...folders, below]], [[link, below]]];
});

/** A whiteout in a folder that has an entry: what is to be made of its folder where it has none is said nowhere. */
const whiteout: fc.Arbitrary<readonly TarEntry[]> = fc
  .tuple(
    fc.array(name, { maxLength: 2 }),
    fc.constantFrom('.wh..wh..opq', ...NAMES.slice(0, 4).map((of) => `.wh.${of}`)),
  )
  .map(([folder, mark]) => {
    const folders = folder.map((_, index) => folder.slice(0, index + 1).join('/'));
    const isRootOpaque = folder.length === 0 && mark === '.wh..wh..opq';
    return [
      ...folders.map((each): TarEntry => ({ name: `${each}/`, type: 'directory' })),
      { name: [...folder, isRootOpaque ? '.wh.a' : mark].join('/'), type: 'file' },
    ];
  });

const BASE: readonly TarEntry[] = ['a', 'b', 'a/a', 'a/b', 'b/é', 'a/a/c'].flatMap((folder) => [
  { name: `${folder}/`, type: 'directory' },
  { name: `${folder}/below`, type: 'file', content: folder },
]);

const LAYER_STORES = {
  EROFS: (directory: string): Promise<LayerStore> => ErofsLayers.open(directory),
  unpacked: (directory: string): Promise<LayerStore> => UnpackedLayers.open(directory),
};

for (const [kind, open] of Object.entries(LAYER_STORES)) {
  describe(`${kind} layers and umoci`, { skip: unlessRoot() }, () => {
    const numRuns = kind === 'EROFS' ? 25 : 5;

    it('have the same tree of one layer, whatever the order of its entries', async (t) => {
      const both = await begin(t, open);
      let same = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 14 }), async (entries) => {
          const { ours, theirs } = await both([writeTar(entries)]);
          assert.deepEqual(ours, theirs);
          if (ours !== undefined) same += 1;
        }),
        { numRuns, examples: BELOW_LINKS },
      );
      assert.ok(same > numRuns / 5, `only ${same} were not refused`);
    });

    it('have the same tree of a tar whose headers were changed, where neither refuses it', async (t) => {
      const both = await begin(t, open);
      const tar = writeTar([
        { name: 'd/', type: 'directory' },
        { name: 'd/f', type: 'file', content: 'x'.repeat(700) },
        { name: `${'l'.repeat(60)}/${'m'.repeat(60)}`, type: 'file', content: 'y' },
        { name: 'd/h', type: 'hardlink', target: 'd/f' },
        { name: 's', type: 'symlink', target: 't'.repeat(120) },
        { name: 'c', type: 'char', major: 1, minor: 3 },
        { name: 'old', type: 'old', content: 'z' },
      ]);
      const headers = Array.from({ length: tar.length / BLOCK }, (_, index) => index * BLOCK).filter(
        (at) => tar.toString('latin1', at + 257, at + 262) === 'ustar',
      );
      const change = fc.record({
        header: fc.constantFrom(...headers),
        field: fc.constantFrom(0, 100, 124, 136, 156, 157, 257, 263, 329, 345, 508),
        text: fc.constantFrom(
          ...[
            '\0',
            '0',
            '1',
            '2',
            '5',
            '7',
            'x',
            'L',
            'g',
            ' ',
            '/',
            '../',
            './\0',
            'd/f\0',
            '.wh.d\0',
            'tar\0',
            'ustar  \0',
          ],
        ),
      });
      let same = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
          const changed = Buffer.from(tar);
          for (const { header, field, text } of changes) {
            changed.write(text, header + field, 'latin1');
            setTarChecksum(changed.subarray(header, header + BLOCK));
          }
          const { ours, theirs } = await both([changed]);
          // Other fields of extended headers are looked at by one of them alone.
          if (ours === undefined || theirs === undefined) return;
          assert.deepEqual(ours, theirs);
          same += 1;
        }),
        { numRuns },
      );
      assert.ok(same > numRuns / 10, `only ${same} were not refused`);
    });

    it('have the same tree of a layer that deletes from another', async (t) => {
      const both = await begin(t, open);
      const base = writeTar(BASE);
      const files = fc.array(
        fc.oneof(
          entry.map((each) => [each]),
          whiteout,
          whiteout,
        ),
        { minLength: 1, maxLength: 9 },
      );
      let same = 0;
      await fc.assert(
        fc.asyncProperty(files, async (entries) => {
          const { ours, theirs } = await both([base, writeTar(entries.flat())]);
          // Layers stand alone: what leads through things of another is looked for in the layer itself.
          if (ours === undefined || theirs === undefined) return;
          assert.deepEqual(ours, theirs);
          same += 1;
        }),
        { numRuns },
      );
      assert.ok(same > numRuns / 5, `only ${same} were not refused`);
    });
  });
}

/** Gives both trees of some layers; undefined for one that is refused. */
async function begin(t: TestContext, open: (directory: string) => Promise<LayerStore>) {
  const directory = await makeTempDir(t, 'like-umoci');
  const layerStore = await open(directory);
  const overlays = await RootfsOverlays.open(directory, layerStore);
  let count = 0;
  return async (layers: readonly Buffer[]) => {
    count += 1;
    const folder = join(directory, `umoci-${count}`);
    await mkdir(folder);
    const unpacked = await unpackByUmoci(folder, layers);
    const theirs = unpacked === undefined ? undefined : [...(await describeTree(unpacked))];
    await rm(folder, { recursive: true });
    return { ours: await treeOf(layerStore, overlays, layers, t.signal), theirs };
  };
}

async function treeOf(
  layerStore: LayerStore,
  overlays: RootfsOverlays,
  layers: readonly Buffer[],
  signal: AbortSignal,
) {
  const diffIds: Digest[] = [];
  try {
    for (const tar of layers) {
      const diffId: Digest = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
      await layerStore.add(diffId, only(tar), signal);
      diffIds.push(diffId);
    }
  } catch (error) {
    assert.ok(error instanceof EngineError && error.code === 'bad-request', `${error}`);
    return undefined;
  }
  const { path: mounted } = await overlays.mount('c', diffIds);
  const tree = [...(await describeTree(mounted))];
  await overlays.remove('c');
  return tree;
}

async function* only(tar: Buffer): AsyncGenerator<Uint8Array> {
  yield Buffer.from(tar);
}
