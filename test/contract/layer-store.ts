import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  open as openFile,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { encodeEntry } from '../../lib/tar/tar-writer.ts';
import type { Digest } from '../../oci/digest.ts';
import { EngineError } from '../../runtime-agent/errors.ts';
import type { LayerContent, LayerStore } from '../../runtime-agent/snapshots/layer-store.ts';
import { RootfsOverlays } from '../../runtime-agent/snapshots/rootfs-overlays.ts';
import { listTree } from '../support/list-tree.ts';
import { mountsUnder } from '../support/mounts.ts';
import { runCommand } from '../support/run-command.ts';
import { tarTree } from '../support/tar-tree.ts';
import { TAR_END, type TarEntry, tarHeader, writeTar } from '../support/tar-writer.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/** A layer store and the root file systems over it, as an agent opens them in one folder when it starts. */
interface LayerHost {
  readonly layerStore: LayerStore;
  readonly overlays: RootfsOverlays;
}

const never = new AbortController().signal;

/** Zeros behind a tar. */
const MEBIBYTES = 128;

/**
 * What every LayerStore promises, alone and below RootfsOverlays. Needs root: it mounts. `manyLayers` for one that is slow to add them;
 * docker allows 128.
 */
export function describeLayerStore(
  name: string,
  open: (directory: string) => Promise<LayerStore>,
  manyLayers = 130,
): void {
  const openHost = async (directory: string): Promise<LayerHost> => {
    const layerStore = await open(directory);
    return { layerStore, overlays: await RootfsOverlays.open(directory, layerStore) };
  };
  const begin = async (t: TestContext) => {
    const directory = await makeTempDir(t, 'layers');
    return { directory, host: await openHost(directory) };
  };

  describe(`${name}: layers`, () => {
    it('keeps a layer under its diff ID', async (t) => {
      const { directory, host } = await begin(t);
      const tar = writeTar([file('a', 'content')]);
      assert.equal(await host.layerStore.has(diffIdOf(tar)), false);
      assert.equal(await host.layerStore.contentSize(diffIdOf(tar)), 0);
      const diffId = await add(host, tar);
      assert.equal(await host.layerStore.has(diffId), true);
      assert.equal(await host.layerStore.contentSize(diffId), 'content'.length);
      assert.deepEqual(await host.layerStore.list(), [diffId]);
      assert.deepEqual(await (await openHost(directory)).layerStore.list(), [diffId], 'after a restart');
      await host.layerStore.remove(diffId);
      assert.deepEqual(await host.layerStore.list(), []);
      await host.layerStore.remove(diffId);
    });

    it('takes a stream in pieces of any size', async (t) => {
      const { host } = await begin(t);
      const tar = writeTar([folder('d'), file('d/a', 'x'.repeat(1500)), file('d/b', '')]);
      for (const size of [1, 511, 700]) {
        const diffId = await add(host, tar, size);
        const { path } = await host.overlays.mount('pieces', [diffId]);
        assert.equal(await readFile(join(path, 'd/a'), 'utf8'), 'x'.repeat(1500));
        await host.overlays.remove('pieces');
        await host.layerStore.remove(diffId);
      }
    });

    it('gives the tar of a layer back byte for byte', async (t) => {
      const { directory, host } = await begin(t);
      const whole = writeTar([folder('d'), file('d/a', 'x'.repeat(3_000_000))]);
      const cases = {
        whole,
        'with folders that have no entry': writeTar([file('e/f/b', 'x'.repeat(1500))]),
        'without an end mark': whole.subarray(0, whole.length - TAR_END.length),
        'with much behind its end': Buffer.concat([writeTar([file('g/h', 'y')]), Buffer.alloc(100_000)]),
        'with a whiteout in a folder of its own': writeTar([file('i/.wh.j', ''), file('i/k', 'z')]),
      };
      for (const [what, tar] of Object.entries(cases)) {
        const diffId = await add(host, tar);
        const reopened = await openHost(directory);
        assert.ok((await readTar(reopened.layerStore.read(diffId, never))).equals(tar), what);
      }
      await assert.rejects(readTar(host.layerStore.read(diffIdOf(Buffer.of(1)), never)), {
        code: 'not-found',
      });
      const stopped = AbortSignal.abort(new Error('no longer wanted'));
      await assert.rejects(readTar(host.layerStore.read(diffIdOf(whole), stopped)), /no longer wanted/);
    });

    it('takes a sha512 diff ID', async (t) => {
      const { host } = await begin(t);
      const tar = writeTar([file('a', 'content')]);
      const diffId: Digest = `sha512:${createHash('sha512').update(tar).digest('hex')}`;
      await host.layerStore.add(diffId, pieces(tar), never);
      assert.deepEqual(await host.layerStore.list(), [diffId]);
    });

    it('refuses a layer with another digest, and keeps nothing of it', async (t) => {
      const { directory, host } = await begin(t);
      const kept = await add(host, writeTar([file('kept', 'kept')]));
      const tar = writeTar([file('a', 'content')]);
      const wrong = diffIdOf(Buffer.from('other'));
      const before = await listTree(directory);
      await assert.rejects(host.layerStore.add(wrong, pieces(tar), never), (error) => {
        assert.ok(error instanceof EngineError);
        assert.equal(error.code, 'bad-request');
        assert.match(error.message, new RegExp(diffIdOf(tar)));
        return true;
      });
      assert.deepEqual(await listTree(directory), before);
      assert.deepEqual(await host.layerStore.list(), [kept]);
    });

    it('refuses what is no tar', async (t) => {
      const { directory, host } = await begin(t);
      const before = await listTree(directory);
      const whole = writeTar([file('a', 'x'.repeat(2000))]);
      const damaged = Buffer.from(whole);
      damaged[20] = 1;
      const cases = {
        noise: Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * 7919) % 251)),
        'half a header': whole.subarray(0, 100),
        'half a body': whole.subarray(0, 1000),
        'a damaged header': damaged,
        'a gzip': Buffer.from('1f8b0800000000000003', 'hex'),
      };
      for (const [what, bytes] of Object.entries(cases)) {
        await assert.rejects(
          add(host, bytes),
          (error) =>
            error instanceof EngineError &&
            error.code === 'bad-request' &&
            /is not a valid tar: /.test(error.message),
          what,
        );
      }
      assert.deepEqual(await listTree(directory), before);
    });

    it('leaves nothing when the stream fails or is aborted', async (t) => {
      const { directory, host } = await begin(t);
      const before = await listTree(directory);
      const tar = writeTar([file('a', 'x'.repeat(5000))]);
      const failing = async function* () {
        yield tar.subarray(0, 2000);
        throw new Error('the line is cut');
      };
      await assert.rejects(host.layerStore.add(diffIdOf(tar), failing(), never), /the line is cut/);
      const controller = new AbortController();
      const aborting = async function* () {
        yield tar.subarray(0, 2000);
        controller.abort(new Error('the client has gone'));
        yield tar.subarray(2000);
      };
      await assert.rejects(
        host.layerStore.add(diffIdOf(tar), aborting(), controller.signal),
        /the client has gone/,
      );
      assert.deepEqual(await listTree(directory), before);
    });

    it('takes a tar that a program may write by itself', async (t) => {
      const { directory, host } = await begin(t);
      const tar = writeTar([folder('d'), file('d/a', 'x'.repeat(3_000_000)), file('e/b', '')]);
      const diffId = diffIdOf(tar);
      await host.layerStore.add(diffId, written(tar), never);
      assert.ok((await readTar(host.layerStore.read(diffId, never))).equals(tar));
      const { path } = await host.overlays.mount('written', [diffId]);
      assert.equal(await readFile(join(path, 'd/a'), 'utf8'), 'x'.repeat(3_000_000));
      await host.overlays.remove('written');
      await host.overlays.settle();

      const before = await listTree(directory);
      const other = writeTar([file('a', 'content')]);
      await assert.rejects(host.layerStore.add(diffIdOf(Buffer.of(1)), written(other), never), {
        code: 'bad-request',
        message: new RegExp(`its uncompressed content has the digest ${diffIdOf(other)}`),
      });
      const cut = tar.subarray(0, 2_000_000);
      await assert.rejects(host.layerStore.add(diffIdOf(cut), written(cut), never), {
        code: 'bad-request',
        message: /is not a valid tar: it ends within an entry, at byte 2000000/,
      });
      const failure = new Error('the program has failed');
      await assert.rejects(host.layerStore.add(diffIdOf(other), written(other, failure), never), failure);
      assert.deepEqual(await listTree(directory), before);
    });

    it('tells the diff ID of a new layer before it can be seen, and gives its tar back', async (t) => {
      const { directory, host } = await begin(t);
      // A folder without an entry, and no end mark: what is kept differs from what came.
      const whole = writeTar([file('d/a', 'x'.repeat(1500))]);
      for (const tar of [whole, whole.subarray(0, -1024)]) {
        const claims: string[] = [];
        const claim = async (diffId: Digest) => {
          claims.push(`${diffId} ${await host.layerStore.has(diffId)}`);
        };
        const diffId = await host.layerStore.addNew(pieces(tar, 700), claim, never);
        assert.equal(diffId, diffIdOf(tar));
        assert.equal(await host.layerStore.tarSize(diffId), tar.length);
        const chunks: Uint8Array[] = [];
        for await (const chunk of host.layerStore.read(diffId, never)) chunks.push(chunk);
        assert.ok(Buffer.concat(chunks).equals(tar));
        const before = await listTree(directory);
        assert.equal(await host.layerStore.addNew(pieces(tar), claim, never), diffId);
        assert.deepEqual(await listTree(directory), before, 'the same layer once more takes no room');
        assert.deepEqual(claims, [`${diffId} false`, `${diffId} true`]);
      }
      const before = await listTree(directory);
      const claim = () => Promise.reject(new Error('not wanted'));
      await assert.rejects(host.layerStore.addNew(pieces(writeTar([])), claim, never), /not wanted/);
      await assert.rejects(host.layerStore.addNew(pieces(Buffer.from('x'.repeat(600))), claim, never), {
        code: 'bad-request',
        message: /^the new layer is not a valid tar: /,
      });
      assert.deepEqual(await listTree(directory), before);
      await assert.rejects(host.layerStore.tarSize(diffIdOf(Buffer.from('other'))), { code: 'not-found' });
    });

    it('ends with one layer when it is added twice at once', async (t) => {
      const { host } = await begin(t);
      const tar = writeTar([file('a', 'content')]);
      await Promise.all([add(host, tar), add(host, tar), add(host, tar)]);
      assert.deepEqual(await host.layerStore.list(), [diffIdOf(tar)]);
      const { path } = await host.overlays.mount('c', [diffIdOf(tar)]);
      assert.deepEqual(await readdir(path), ['a']);
    });

    it('sweeps what a killed agent left half written', async (t) => {
      const { directory, host } = await begin(t);
      const tar = writeTar([file('a', 'x'.repeat(5000))]);
      let reached = (): void => undefined;
      const halfway = new Promise<void>((resolve) => {
        reached = resolve;
      });
      const controller = new AbortController();
      const hanging = async function* () {
        yield tar.subarray(0, 2000);
        reached();
        await new Promise((_, reject) =>
          controller.signal.addEventListener('abort', () => reject(controller.signal.reason)),
        );
      };
      const adding = host.layerStore.add(diffIdOf(tar), hanging(), controller.signal);
      await halfway;
      // A second agent finds the folder as after a kill -9 of the first.
      const next = await openHost(directory);
      assert.deepEqual(await next.layerStore.list(), []);
      const after = await listTree(directory);
      controller.abort(new Error('end of the test'));
      await assert.rejects(adding);
      assert.deepEqual(await listTree(directory), after);
    });
  });

  describe(`${name}: what layers may hold`, () => {
    it('takes an empty layer, padded or not', async (t) => {
      const { host } = await begin(t);
      const base = await add(host, writeTar([file('a', 'content')]));
      for (const [index, empty] of [Buffer.alloc(0), TAR_END, Buffer.alloc(10_240)].entries()) {
        const diffId = await add(host, empty);
        const { path } = await host.overlays.mount(`c${index}`, [base, diffId]);
        assert.deepEqual(await readdir(path), ['a'], `empty layer of ${empty.length} bytes`);
      }
    });

    it('takes a tar whose end is missing, short, long or followed by garbage', async (t) => {
      const { host } = await begin(t);
      const whole = writeTar([folder('d'), file('d/a', 'content')]);
      const entries = whole.subarray(0, whole.length - TAR_END.length);
      const zeros = (length: number) => Buffer.alloc(length);
      const ends = [
        zeros(0),
        zeros(512),
        zeros(1024),
        zeros(9000),
        Buffer.concat([TAR_END, Buffer.from('!!')]),
      ];
      for (const [index, end] of ends.entries()) {
        const diffId = await add(host, Buffer.concat([entries, end]));
        const { path } = await host.overlays.mount(`c${index}`, [diffId]);
        assert.equal(await readFile(join(path, 'd/a'), 'utf8'), 'content', `end ${index}`);
      }
    });

    it('keeps zeros behind the end of a tar once on the disk, and not in memory', async (t) => {
      const { directory, host } = await begin(t);
      const tar = writeTar([file('d/a', 'content')]);
      const zeros = Buffer.alloc(1 << 20);
      const hash = createHash('sha256').update(tar);
      for (let count = 0; count < MEBIBYTES; count += 1) hash.update(zeros);
      const diffId: Digest = `sha256:${hash.digest('hex')}`;
      let grown = 0;
      const source = async function* () {
        yield tar;
        const before = process.memoryUsage().rss;
        for (let count = 0; count < MEBIBYTES; count += 1) yield zeros;
        grown = process.memoryUsage().rss - before;
      };
      await host.layerStore.add(diffId, source(), never);
      assert.ok(grown < (MEBIBYTES << 20) / 2, `${grown} bytes of memory for zeros`);
      const { stdout } = await runCommand('du', ['-s', '--block-size=1', directory]);
      const onDisk = Number.parseInt(stdout, 10);
      assert.ok(onDisk < (MEBIBYTES << 20) * 1.5, `${onDisk} bytes on the disk`);
      const { path } = await host.overlays.mount('c', [diffId]);
      assert.equal(await readFile(join(path, 'd/a'), 'utf8'), 'content');
    });

    it('gives folders without an entry to root, not to everybody', async (t) => {
      const { host } = await begin(t);
      const long = `${'l'.repeat(120)}/${'m'.repeat(120)}`;
      const tar = writeTar([
        file('a/b/file', 'x'),
        file(`${long}/file`, 'x'),
        file('late/file', 'x'),
        { ...folder('late'), mode: 0o710, uid: 7, gid: 8 },
      ]);
      const diffId = await add(host, tar);
      const { path } = await host.overlays.mount('c', [diffId]);
      for (const implied of ['', 'a', 'a/b', 'l'.repeat(120), long]) {
        const { mode, uid, gid } = await stat(join(path, implied));
        assert.deepEqual({ mode: mode & 0o7777, uid, gid }, { mode: 0o755, uid: 0, gid: 0 }, implied);
      }
      const { mode, uid, gid } = await stat(join(path, 'late'));
      assert.deepEqual({ mode: mode & 0o7777, uid, gid }, { mode: 0o710, uid: 7, gid: 8 });
      assert.equal(await readFile(join(path, long, 'file'), 'utf8'), 'x');
    });

    it('applies whiteouts and opaque folders', async (t) => {
      const { host } = await begin(t);
      const lower = await add(
        host,
        writeTar([
          folder('d'),
          file('d/gone', 'x'),
          file('d/kept', 'x'),
          folder('opaque'),
          file('opaque/hidden', 'x'),
          folder('tree'),
          file('tree/leaf', 'x'),
          file('swap', 'a file'),
        ]),
      );
      const upper = await add(
        host,
        writeTar([
          folder('d'),
          file('d/.wh.gone', ''),
          file('d/.wh.never', ''),
          folder('opaque'),
          file('opaque/.wh..wh..opq', ''),
          file('opaque/new', 'x'),
          file('.wh.tree', ''),
          folder('swap'),
          file('swap/inside', 'x'),
        ]),
      );
      const { path } = await host.overlays.mount('c', [lower, upper]);
      assert.deepEqual(await listTree(path), ['d', 'd/kept', 'opaque', 'opaque/new', 'swap', 'swap/inside']);
      const { path: alone } = await host.overlays.mount('lower', [lower]);
      assert.equal(await readFile(join(alone, 'd/gone'), 'utf8'), 'x', 'the lower layer is as it was');
    });

    it('lists no whiteout, whatever lies below', async (t) => {
      const { host } = await begin(t);
      const base = await add(
        host,
        writeTar([folder('d'), file('d/a', ''), folder('d/sub'), file('d/sub/x', ''), file('top', '')]),
      );
      const hiding = await add(
        host,
        writeTar([
          ...[folder('d'), file('d/.wh..wh..opq', ''), file('d/.wh.a', ''), file('d/new', '')],
          ...[folder('d/sub'), file('d/sub/.wh.x', ''), file('.wh.top', ''), file('.wh.never', '')],
        ]),
      );
      const deleting = await add(host, writeTar([folder('d'), file('d/.wh.new', '')]));
      // Overlay takes it for a whiteout, and so do containerd and dockerd.
      const device = await add(host, writeTar([{ name: 'd/a', type: 'char', major: 0, minor: 0 }]));
      const cases: readonly (readonly [readonly Digest[], readonly string[]])[] = [
        [
          [base, hiding],
          ['d', 'd/new', 'd/sub'],
        ],
        [[hiding], ['d', 'd/new', 'd/sub']],
        [
          [base, hiding, deleting],
          ['d', 'd/sub'],
        ],
        [
          [hiding, deleting],
          ['d', 'd/sub'],
        ],
        [[deleting], ['d']],
        [[device], ['d']],
        [
          [base, device],
          ['d', 'd/sub', 'd/sub/x', 'top'],
        ],
      ];
      for (const [index, [layers, expected]] of cases.entries()) {
        const { path } = await host.overlays.mount(`c${index}`, layers);
        assert.deepEqual((await readdir(path, { recursive: true })).sort(), expected, `case ${index}`);
      }
    });

    it('takes layers that say one thing twice, as the image specification means them', async (t) => {
      const { host } = await begin(t);
      const base = writeTar([
        file('top', 'below'),
        folder('e'),
        file('e/x', 'below'),
        folder('e/sub'),
        file('e/sub/y', 'below'),
        folder('real'),
      ]);
      const below = ['e', 'e/sub', 'e/sub/y', 'e/x', 'real', 'top'];
      const cases: Readonly<Record<string, readonly [readonly TarEntry[], readonly string[]]>> = {
        'a file twice': [
          [file('a', '1'), file('a', '2')],
          ['a', ...below],
        ],
        'a file, then a folder': [
          [file('a', '1'), folder('a'), file('a/b', '')],
          ['a', 'a/b', ...below],
        ],
        'a folder, then a file': [
          [folder('a'), file('a/b', ''), file('a', '')],
          ['a', ...below],
        ],
        'a folder without entry, then a symlink': [
          [file('a/b', ''), { name: 'a', type: 'symlink', target: 'real' }],
          ['a', ...below],
        ],
        'a whiteout, then the file': [[file('.wh.top', ''), file('top', 'new')], below],
        'the file, then its whiteout': [[file('top', 'new'), file('.wh.top', '')], below],
        'a whiteout, then the folder': [
          [file('.wh.e', ''), folder('e'), file('e/new', '')],
          ['e', 'e/new', 'real', 'top'],
        ],
        'a whiteout, then a file in the folder': [
          [file('.wh.e', ''), file('e/new', '')],
          ['e', 'e/new', 'real', 'top'],
        ],
        'the folder, then its whiteout': [
          [folder('e'), file('e/new', ''), file('.wh.e', '')],
          ['e', 'e/new', 'real', 'top'],
        ],
        'a folder as old tars have it': [
          [{ name: 'old/', type: 'old' }, file('old/a', '')],
          [...below.slice(0, 4), 'old', 'old/a', 'real', 'top'],
        ],
        'a file through a symlink of its own': [
          [{ name: 'link', type: 'symlink', target: 'real' }, folder('real'), file('link/a', '')],
          [...below.slice(0, 4), 'link', 'real', 'real/a', 'top'],
        ],
      };
      const lower = await add(host, base);
      for (const [what, [entries, expected]] of Object.entries(cases)) {
        const diffId = await add(host, writeTar(entries));
        const { path } = await host.overlays.mount('c', [lower, diffId]);
        assert.deepEqual(await listTree(path), expected, what);
        const changed = entries.find((entry) => entry.name === 'top');
        assert.equal(
          await readFile(join(path, 'top'), 'utf8'),
          changed === undefined ? 'below' : 'new',
          what,
        );
        await host.overlays.remove('c');
      }
    });

    it('refuses names that mean nothing', async (t) => {
      const { directory, host } = await begin(t);
      const before = await listTree(directory);
      for (const name of ['.wh.', 'd/.wh..', 'd/.wh...', '.wh.d/x', '.wh..wh..opq']) {
        await assert.rejects(add(host, writeTar([file(name, '')])), { code: 'bad-request' }, name);
      }
      assert.deepEqual(await listTree(directory), before);
    });

    it('refuses bodies in which other programs would see entries, by the name of their entry', async (t) => {
      const { directory, host } = await begin(t);
      const before = await listTree(directory);
      const smuggled = writeTar([{ ...file('bin/backdoor', 'evil'), mode: 0o4755 }]).subarray(0, 1024);
      const carriers: readonly TarEntry[] = [
        file('etc/.wh..wh..opq', ''),
        file('.wh.group', ''),
        file('.wh..wh.plnk', ''),
        { name: 'etc/.wh.link', type: 'symlink', target: 'x' },
        { name: 'symlink', type: 'symlink', target: 'x' },
        { name: 'hardlink', type: 'hardlink', target: 'etc/passwd' },
        { name: 'char', type: 'char', major: 1, minor: 3 },
        { name: 'block', type: 'block', major: 8, minor: 0 },
        { name: 'fifo', type: 'fifo' },
        { name: 'folder/', type: 'directory' },
        { name: 'old/', type: 'old' },
      ];
      for (const carrier of carriers) {
        const entries = [tarHeader(file('etc/passwd', ''), 0), tarHeader(carrier, smuggled.length), smuggled];
        const tar = Buffer.concat([...entries, tarHeader(file('kept', ''), 0), TAR_END]);
        await assert.rejects(add(host, tar), (error) => {
          assert.ok(error instanceof EngineError && error.code === 'bad-request');
          assert.ok(error.message.includes(`"${carrier.name}"`), error.message);
          return true;
        });
      }
      assert.deepEqual(await listTree(directory), before);
    });

    it('keeps the extended attributes that Linux has a place for, but those by which overlay is told something', async (t) => {
      const { host } = await begin(t);
      const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex').toString('latin1');
      const given = {
        'user.a': 'x\0y',
        'user.overlay.opaque': 'y',
        'trusted.b': '',
        'trusted.overlay.opaque': 'y',
        'trusted.overlay.redirect': '/etc',
        'trusted.overlay.overlay.opaque': 'y',
        'security.capability': capability,
        'system.unknown': 'x',
        'nothing.known': 'x',
        'user.': 'x',
      };
      const made = (
        name: string,
        kind: 'file' | 'folder' | 'symlink',
        xattrs: Readonly<Record<string, string>>,
      ) =>
        encodeEntry({
          ...{ path: name, kind, mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0, major: 0, minor: 0 },
          ...{ target: kind === 'symlink' ? 'x' : '', xattrs: new Map(Object.entries(xattrs)) },
        });
      const tar = (...entries: readonly Buffer[]) => Buffer.concat([...entries, TAR_END]);
      const lower = await add(host, tar(made('folder/', 'folder', {}), made('folder/below', 'file', {})));
      const upper = await add(
        host,
        tar(
          made('folder/', 'folder', given),
          made('file', 'file', given),
          made('link', 'symlink', { 'user.a': 'x' }),
        ),
      );
      const { path } = await host.overlays.mount('c', [lower, upper]);
      assert.deepEqual(await readdir(join(path, 'folder')), ['below']);
      const { stdout } = await runCommand('getfattr', ['-h', '-d', '-m', '-', '-e', 'hex', 'file', 'link'], {
        cwd: path,
      });
      const kept = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
      assert.deepEqual(kept.toSorted(), [
        `security.capability=0x${Buffer.from(capability, 'latin1').toString('hex')}`,
        'trusted.b=0x',
        'user.a=0x780079',
        'user.overlay.opaque=0x79',
      ]);
      const many = Array.from(
        { length: 3000 },
        (_, index) => [`user.${'n'.repeat(60)}${index}`, 'x'] as const,
      );
      const long = [['user.long', 'x'.repeat(70_000)]] as const;
      for (const tooMuch of [many, long]) {
        await assert.rejects(add(host, tar(made('file', 'file', Object.fromEntries(tooMuch)))), {
          code: 'bad-request',
          message: /is not a valid tar: "file" has more or longer extended attributes than can be stored$/,
        });
      }
    });

    it('keeps modes, owners, links, devices and long names', async (t) => {
      const { host } = await begin(t);
      const long = `${'n'.repeat(200)}/${'o'.repeat(200)}`;
      const diffId = await add(
        host,
        writeTar([
          { ...file('setuid', 'x'), mode: 0o4755, uid: 1000, gid: 2000 },
          { ...folder('sticky'), mode: 0o1777 },
          file('first', 'shared'),
          { name: 'second', type: 'hardlink', target: 'first' },
          { name: 'symlink', type: 'symlink', target: '/nowhere/at/all' },
          { name: 'null', type: 'char', major: 1, minor: 3, mode: 0o666 },
          { name: 'disk', type: 'block', major: 254, minor: 0, mode: 0o600 },
          { name: 'pipe', type: 'fifo' },
          folder('n'.repeat(200)),
          file(long, 'far down'),
        ]),
      );
      const { path } = await host.overlays.mount('c', [diffId]);
      const setuid = await stat(join(path, 'setuid'));
      assert.deepEqual([setuid.mode & 0o7777, setuid.uid, setuid.gid], [0o4755, 1000, 2000]);
      assert.equal((await stat(join(path, 'sticky'))).mode & 0o7777, 0o1777);
      assert.equal((await stat(join(path, 'first'))).nlink, 2);
      assert.equal((await stat(join(path, 'first'))).ino, (await stat(join(path, 'second'))).ino);
      assert.equal(await readlink(join(path, 'symlink')), '/nowhere/at/all');
      const device = await lstat(join(path, 'null'));
      assert.ok(device.isCharacterDevice());
      assert.equal(device.rdev, (1 << 8) | 3);
      assert.ok((await lstat(join(path, 'disk'))).isBlockDevice());
      assert.ok((await lstat(join(path, 'pipe'))).isFIFO());
      assert.equal(await readFile(join(path, long), 'utf8'), 'far down');
      assert.equal((await stat(join(path, 'setuid'))).mtimeMs, Date.UTC(2024, 0));
    });

    it('gives nothing but what its entry says: no ACL of the folder above, no time of now', async (t) => {
      const { host } = await begin(t);
      // For everybody: the owner and the user 1000 may do all, others nothing.
      const entries = [0x01, 7, -1, 0x02, 7, 1000, 0x04, 0, -1, 0x10, 7, -1, 0x20, 0, -1];
      const acl = Buffer.alloc(4 + 5 * 8);
      acl.writeUInt32LE(2);
      for (let at = 0; at < entries.length; at += 3) {
        const place = 4 + (at / 3) * 8;
        acl.writeUInt16LE(entries[at] ?? 0, place);
        acl.writeUInt16LE(entries[at + 1] ?? 0, place + 2);
        acl.writeInt32LE(entries[at + 2] ?? 0, place + 4);
      }
      const made = (path: string, kind: 'file' | 'folder' | 'symlink', names: readonly string[] = []) =>
        encodeEntry({
          ...{ path, kind, mode: 0o644, uid: 0, gid: 0, size: 0, mtime: -5, major: 0, minor: 0 },
          target: kind === 'symlink' ? 'x' : '',
          xattrs: new Map(names.map((name) => [`system.posix_acl_${name}`, acl.toString('latin1')])),
        });
      const tar = [
        made('d/', 'folder', ['default']),
        made('d/file', 'file'),
        made('d/sub/', 'folder'),
        made('d/no/entry/file', 'file', ['default']),
        made('d/link', 'symlink', ['access', 'default']),
        made('old', 'file'),
        TAR_END,
      ];
      const { path } = await host.overlays.mount('c', [await add(host, Buffer.concat(tar))]);
      const { stdout } = await runCommand('getfattr', ['-R', '-h', '-m', 'system', '.'], { cwd: path });
      assert.equal(stdout.trim(), '# file: d\nsystem.posix_acl_default');
      assert.equal((await stat(join(path, 'd/no/entry'))).mode & 0o7777, 0o755);
      assert.equal((await stat(join(path, 'd/sub'))).mode & 0o7777, 0o644);
      for (const name of ['d', 'd/file', 'd/link', 'old']) {
        assert.equal((await lstat(join(path, name))).mtimeMs, -5000, name);
      }
    });

    it('lets no entry touch the host', async (t) => {
      const { directory, host } = await begin(t);
      const outside = await makeTempDir(t, 'outside');
      await writeFile(join(outside, 'secret'), 'secret');
      const climb = `${'../'.repeat(20)}${outside.slice(1)}`;
      const tricks: Readonly<Record<string, readonly TarEntry[]>> = {
        climbing: [file(`${climb}/climbed`, 'x')],
        absolute: [file(`${outside}/absolute`, 'x')],
        'through a symlink': [{ name: 'link', type: 'symlink', target: outside }, file('link/through', 'x')],
        'through a symlink upwards': [
          { name: 'up', type: 'symlink', target: climb },
          file('up/through', 'x'),
        ],
        'over a symlink': [
          { name: 'link', type: 'symlink', target: `${outside}/secret` },
          file('link', 'overwritten'),
        ],
        'hard link to outside': [{ name: 'hard', type: 'hardlink', target: `${outside}/secret` }],
        'hard link that climbs': [{ name: 'hard', type: 'hardlink', target: `${climb}/secret` }],
        'hard link through a symlink': [
          { name: 'link', type: 'symlink', target: outside },
          { name: 'hard', type: 'hardlink', target: 'link/secret' },
        ],
        'folder over a symlink': [
          { name: 'link', type: 'symlink', target: outside },
          { ...folder('link'), mode: 0o777, uid: 1234 },
        ],
        'whiteout through a symlink': [
          { name: 'link', type: 'symlink', target: outside },
          file('link/.wh.secret', ''),
        ],
        'climbing whiteout': [file(`${climb}/.wh.secret`, '')],
        'climbing opaque mark': [file(`${climb}/.wh..wh..opq`, '')],
      };
      for (const [what, entries] of Object.entries(tricks)) {
        const tar = writeTar(entries);
        const id = what.replaceAll(' ', '-');
        try {
          const { path } = await host.overlays.mount(id, [await add(host, tar)]);
          for (const found of await listTree(path)) {
            const { ino, dev } = await lstat(join(path, found));
            const secret = await stat(join(outside, 'secret'));
            assert.ok(ino !== secret.ino || dev !== secret.dev, `${what}: ${found} is the host's file`);
          }
        } catch (error) {
          assert.ok(error instanceof EngineError && error.code === 'bad-request', `${what}: ${error}`);
        }
        assert.deepEqual(await readdir(outside), ['secret'], what);
        assert.equal(await readFile(join(outside, 'secret'), 'utf8'), 'secret', what);
        const { mode, uid } = await stat(outside);
        assert.deepEqual([mode & 0o777, uid], [0o700, 0], what);
      }
      assert.deepEqual(
        (await readdir(directory)).filter((entry) => entry.startsWith('climbed')),
        [],
      );
    });

    it('opens no device of a layer', async (t) => {
      const { host } = await begin(t);
      const diffId = await add(
        host,
        writeTar([{ name: 'zero', type: 'char', major: 1, minor: 5, mode: 0o666 }]),
      );
      const { path } = await host.overlays.mount('c', [diffId]);
      const opened = openFile(join(path, 'zero')).then((file) => file.close());
      await assert.rejects(opened, { code: 'EACCES' });
    });
  });

  describe(`${name}: root file systems`, () => {
    it('gives each a writable layer of its own', async (t) => {
      const { host } = await begin(t);
      const diffId = await add(host, writeTar([file('a', 'from the image'), file('b', 'x')]));
      const one = await host.overlays.mount('one', [diffId]);
      const two = await host.overlays.mount('two', [diffId]);
      await writeFile(join(one.path, 'a'), 'changed');
      await rm(join(one.path, 'b'));
      await mkdir(join(one.path, 'new'));
      assert.equal(await readFile(join(two.path, 'a'), 'utf8'), 'from the image');
      assert.deepEqual(await readdir(two.path), ['a', 'b']);
      assert.deepEqual((await readdir(one.upper)).sort(), ['a', 'b', 'new']);
      assert.ok((await lstat(join(one.upper, 'b'))).isCharacterDevice(), 'a whiteout of overlay');
      assert.deepEqual([...(await host.overlays.list())].sort(), ['one', 'two']);
      assert.deepEqual([...(await host.overlays.usedLayers())], [diffId]);
    });

    it('answers the same mount twice, and keeps the writable layer over an unmount', async (t) => {
      const { directory, host } = await begin(t);
      const diffId = await add(host, writeTar([file('a', 'x')]));
      const [first, second] = await Promise.all([
        host.overlays.mount('c', [diffId]),
        host.overlays.mount('c', [diffId]),
      ]);
      assert.deepEqual(first, second);
      const mounts = (await mountsUnder(directory)).filter((point) => point === first.path);
      assert.equal(mounts.length, 1);
      await writeFile(join(first.path, 'mine'), 'mine');
      await host.overlays.unmount('c');
      await host.overlays.unmount('c');
      assert.deepEqual(await readdir(first.path), []);
      const again = await (await openHost(directory)).overlays.mount('c', [diffId]);
      assert.deepEqual(again, first);
      assert.equal(await readFile(join(again.path, 'mine'), 'utf8'), 'mine');
      await host.overlays.remove('c');
      await host.overlays.remove('c');
      assert.deepEqual(await host.overlays.list(), []);
      assert.deepEqual([...(await host.overlays.usedLayers())], []);
      const fresh = await host.overlays.mount('c', [diffId]);
      assert.deepEqual(await readdir(fresh.path), ['a']);
    });

    it('frees the room of a removed one, also after a crash', async (t) => {
      const { directory, host } = await begin(t);
      const diffId = await add(host, writeTar([file('a', 'x')]));
      const { path } = await host.overlays.mount('c', [diffId]);
      await writeFile(join(path, 'mine'), 'mine');
      await host.overlays.remove('c');
      assert.deepEqual(await host.overlays.list(), []);
      const left = async () => (await listTree(directory)).filter((entry) => entry.startsWith('snapshots/'));
      await host.overlays.settle();
      assert.deepEqual(await left(), []);
      await host.overlays.mount('c', [diffId]);
      // As it is when the agent is killed between the two steps of a removal.
      await rename(join(directory, 'snapshots/c'), join(directory, 'snapshots/.removed-1'));
      await (await openHost(directory)).overlays.settle();
      assert.deepEqual(await left(), []);
      assert.deepEqual(await mountsUnder(join(directory, 'snapshots')), []);
    });

    it('finds a mount again after a restart', async (t) => {
      const { directory, host } = await begin(t);
      const diffId = await add(host, writeTar([file('a', 'x')]));
      const rootfs = await host.overlays.mount('c', [diffId]);
      const before = await mountsUnder(directory);
      const next = await openHost(directory);
      assert.deepEqual(await next.overlays.mount('c', [diffId]), rootfs);
      assert.deepEqual(await mountsUnder(directory), before);
    });

    it('says which layer is missing', async (t) => {
      const { host } = await begin(t);
      const missing = diffIdOf(Buffer.from('missing'));
      await assert.rejects(host.overlays.mount('c', [missing]), (error) => {
        return error instanceof EngineError && error.code === 'not-found' && error.message.includes(missing);
      });
    });

    it(`mounts no layer at all, one layer twice, and ${manyLayers} layers`, async (t) => {
      const { host } = await begin(t);
      const none = await host.overlays.mount('none', []);
      assert.deepEqual(await readdir(none.path), []);
      const a = await add(host, writeTar([file('x', 'a'), file('only-a', 'a')]));
      const b = await add(host, writeTar([file('x', 'b'), file('.wh.only-a', '')]));
      const twice = await host.overlays.mount('twice', [a, b, a]);
      assert.equal(await readFile(join(twice.path, 'x'), 'utf8'), 'a');
      assert.equal(await readFile(join(twice.path, 'only-a'), 'utf8'), 'a');
      const many: Digest[] = [];
      for (let layer = 0; layer < manyLayers; layer++) {
        many.push(await add(host, writeTar([file('top', `${layer}`), file(`f${layer}`, 'x')])));
      }
      const { path } = await host.overlays.mount('many', many);
      assert.equal(await readFile(join(path, 'top'), 'utf8'), `${manyLayers - 1}`);
      assert.equal((await readdir(path)).length, manyLayers + 1);
    });

    it('runs a program of a layer, set-uid and all', async (t) => {
      const { host } = await begin(t);
      const tree = await makeTempDir(t, 'tree');
      // Not busybox, which gives up what set-uid gave it.
      const { stdout: libraries } = await runCommand('ldd', ['/usr/bin/id']);
      const needed = [...libraries.matchAll(/\/\S+/g)].map(([path]) => path);
      await runCommand('cp', ['--parents', '--dereference', '-t', tree, '/usr/bin/id', ...needed]);
      await chmod(join(tree, 'usr/bin/id'), 0o4755);
      const diffId = await add(host, Buffer.concat(await tarTree(tree).toArray()));
      const { path } = await host.overlays.mount('c', [diffId]);
      const { stdout } = await runCommand('chroot', ['--userspec=1000:1000', path, '/usr/bin/id', '-u']);
      assert.equal(stdout.trim(), '0', 'the effective user of a set-uid program');
    });
  });
}

function file(name: string, content: string): TarEntry {
  return { name, type: 'file', content };
}

function folder(name: string): TarEntry {
  return { name: `${name}/`, type: 'directory' };
}

function diffIdOf(tar: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(tar).digest('hex')}`;
}

async function add({ layerStore }: LayerHost, tar: Buffer, size?: number): Promise<Digest> {
  const diffId = diffIdOf(tar);
  await layerStore.add(diffId, pieces(tar, size), never);
  return diffId;
}

async function* pieces(content: Buffer, size = 64 << 10): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += size) yield Buffer.from(content.subarray(at, at + size));
}

/** A tar that comes in pieces, in whichever way it is taken, and at its end fails where it is told so. */
function written(tar: Buffer, failure?: Error): LayerContent {
  const iterate = async function* () {
    yield* pieces(tar);
    if (failure !== undefined) throw failure;
  };
  return {
    [Symbol.asyncIterator]: iterate,
    writeInto: async (fd, grown) => {
      let position = 0;
      for await (const piece of iterate()) {
        position += writeSync(fd, piece, 0, piece.length, position);
        grown();
      }
    },
  };
}

async function readTar(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}
