import assert from 'node:assert/strict';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { loadInRoot, readFileAt, readFileInRoot } from '../../lib/linux/files/in-root.ts';
import { loadXattrs } from '../../lib/linux/files/xattrs.ts';
import { loadLibc } from '../../lib/linux/libc.ts';
import { holdPath } from '../../lib/linux/mount/held-path.ts';
import { unmount } from '../../lib/linux/mount/mount.ts';
import { TarParser } from '../../lib/tar/tar-parser.ts';
import { CacheMounts } from '../../runtime-agent/builder/cache/cache-mounts.ts';
import { FolderTree } from '../../runtime-agent/builder/context/folder-tree.ts';
import {
  type MountsContext,
  noteMountStubs,
  openMounts,
} from '../../runtime-agent/builder/execute/open-mounts.ts';
import { copiedEntries, selectSources } from '../../runtime-agent/builder/execute/select-sources.ts';
import type { RunOp, Step, StepMount } from '../../runtime-agent/builder/solver/step.ts';
import { mountInView } from '../../runtime-agent/containers/files/mount-in-view.ts';
import { openFileAt, openFolderAt } from '../../runtime-agent/snapshots/diff/tree-files.ts';
import { TreeThreads } from '../../runtime-agent/snapshots/diff/tree-threads.ts';
import { fillTree } from '../../runtime-agent/trees/fill-tree.ts';
import { CopyUp } from '../../runtime-agent/volumes/copy-up.ts';
import { INSIDE, MIRRORED, makeHostileTree, OUTSIDE, swapFolder } from '../support/hostile-tree.ts';
import { writeTar } from '../support/tar-writer.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

const never = new AbortController().signal;
const libc = loadLibc();
const inRoot = loadInRoot();

const GONE =
  /ENOENT|ENOTDIR|ELOOP|EBUSY|not there|is not a folder|does not exist|component of the path|was changed while/;

/** What an entry point found at a path; undefined where it says that nothing is there. */
type Find = (path: string) => Promise<string | undefined>;

/** A way by which a path of a container, an image, a volume or a stage comes to be used. */
interface EntryPoint {
  readonly name: string;
  /** What each call makes, so that it is given fewer paths. */
  readonly makes?: 'mounts' | 'threads';
  /** Nobody writes to its tree while it works. */
  readonly isStill?: true;
  /** It puts a folder of its own there and finds the file of that. */
  readonly covers?: true;
  /** `outside` is the folder of the host that links of the tree lead to. */
  readonly open: (t: TestContext, root: string, trees: TreeThreads, outside: string) => Promise<Find>;
}

const ENTRY_POINTS: readonly EntryPoint[] = [
  {
    name: 'RUN --mount=type=bind',
    makes: 'mounts',
    open: async (t, root, trees) => buildMount(t, root, trees, 'bind'),
  },
  {
    name: 'RUN --mount=type=cache,from=',
    makes: 'threads',
    open: async (t, root, trees) => buildMount(t, root, trees, 'cache'),
  },
  {
    name: 'COPY --from',
    isStill: true,
    open: async (_, root) => async (path) => {
      const tree = new FolderTree(root, async () => undefined);
      const [found] = await selectSources(tree, `${path}/file`, { parents: false, dropsOwners: false });
      if (found?.entry.kind !== 'file') return undefined;
      return Buffer.concat(await Array.fromAsync(tree.read(found.entry))).toString();
    },
  },
  {
    name: 'a part of a stage that is mounted',
    makes: 'mounts',
    open: async (t, root) => {
      const parts = await makeTempDir(t, 'parts');
      return async (path) => {
        const held = await holdPath(libc, root, path, parts);
        if (held === undefined) return undefined;
        try {
          return await readFile(join(held.path, 'file'), 'utf8');
        } finally {
          await held.release();
        }
      };
    },
  },
  {
    name: 'a volume that is filled',
    makes: 'threads',
    open: async (t, root, trees) => {
      const copyUp = new CopyUp(libc, trees, loadXattrs());
      const volumes = await makeTempDir(t, 'volumes');
      let count = 0;
      return async (path) => {
        count += 1;
        const volume = join(volumes, String(count));
        await mkdir(volume);
        await copyUp.fill(volume, root, path);
        return await readFile(join(volume, 'file'), 'utf8').catch(unlessMissing);
      };
    },
  },
  {
    name: 'cp out of a container',
    makes: 'threads',
    open: async (_, root, trees) => async (path) => {
      const fd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
      try {
        const found = await trees.lookUp({ root: fd, path: `${path}/file`, opensParent: true }, never);
        if (found?.parent === undefined) return undefined;
        const members = [{ source: found.name, target: found.shown, recursive: true }];
        try {
          return contentsOf(await Array.fromAsync(trees.read({ folder: found.parent, members }, never)))[0];
        } finally {
          closeSync(found.parent);
        }
      } finally {
        closeSync(fd);
      }
    },
  },
  {
    name: 'cp into a container',
    makes: 'threads',
    open: async (_, root, trees) => async (path) => {
      const fd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
      try {
        const found = await trees.lookUp({ root: fd, path, opensParent: false }, never);
        if (found?.leadsToFolder !== true) return undefined;
        const tar = writeTar([{ name: 'made', type: 'file', content: 'made' }]);
        await fillTree(
          { root: fd, folder: found.resolvedBytes, noOverwriteDirNonDir: false },
          only(tar),
          never,
        );
        if (readFileAt(inRoot, fd, `${found.resolvedBytes}/made`, 100) === undefined) return undefined;
        return readFileAt(inRoot, fd, `${found.resolvedBytes}/file`, 100)?.toString();
      } finally {
        closeSync(fd);
      }
    },
  },
  {
    name: 'the accounts of an image',
    open: async (_, root) => async (path) => readFileInRoot(libc, root, `${path}/file`, 100)?.toString(),
  },
  {
    name: 'a mount in the view of a container',
    makes: 'mounts',
    covers: true,
    open: async (t, root, _, outside) => {
      const volume = await makeTempDir(t, 'volume');
      await writeFile(join(volume, 'file'), INSIDE);
      return async (path) => {
        const fd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
        try {
          const point = { destination: path, type: 'bind', source: volume, options: ['rbind', 'rw'] };
          await mountInView(inRoot, fd, point);
          try {
            // While it is mounted: the host's file would be there again after the unmount.
            assert.equal(await readFile(join(outside, 'file'), 'utf8'), OUTSIDE, 'mounted on the host');
            const found = inRoot.open(fd, path, constants.O_RDONLY | constants.O_DIRECTORY);
            try {
              return await readFile(`/proc/self/fd/${found}/file`, 'utf8');
            } finally {
              await unmount(`/proc/self/fd/${found}`, { detach: true });
              closeSync(found);
            }
          } finally {
            await unmountAll(outside);
          }
        } finally {
          closeSync(fd);
        }
      };
    },
  },
  {
    name: 'the places of mounts in a step',
    isStill: true,
    open: async (_, root) => async (path) => {
      const stubs = await noteMountStubs(root, [path, `${path}/not/there`]);
      await stubs.clear();
      return readFileInRoot(libc, root, `${path}/file`, 100)?.toString();
    },
  },
];

/** Of so many paths one is given to an entry point, by what each call makes. */
const SHARE = { calls: 4, mounts: 7, threads: 61 } as const;

describe('paths of images and containers are opened inside their tree', { skip: unlessRoot() }, async () => {
  if (unlessRoot() !== false) return;
  const hostile = await makeHostileTree({ after });
  const trees = new TreeThreads();
  after(() => trees.close());

  for (const [index, { name, makes, isStill, covers, open }] of ENTRY_POINTS.entries()) {
    it(`${name}: names of all bytes, and links at every component`, async (t) => {
      const find = await open(t, hostile.root, trees, hostile.outside);
      const share = SHARE[makes ?? 'calls'];
      const paths = hostile.links.filter((_, at) => at % share === index % share);
      for (const path of paths) assert.equal(await find(path), INSIDE, path);
      await assertUntouched(hostile.outside);
    });

    it(`${name}: links that lead to a folder of the host outside of the tree`, async (t) => {
      const find = await open(t, hostile.root, trees, hostile.outside);
      for (const path of hostile.hostPaths) assert.equal(await find(path), covers ? INSIDE : MIRRORED, path);
      await assertUntouched(hostile.outside);
    });

    if (isStill) continue;
    it(`${name}: a folder that becomes a link meanwhile`, async (t) => {
      const swapped = await swapFolder(t);
      const find = await open(t, swapped.root, trees, swapped.outside);
      for (let call = 0; call < (makes === 'threads' ? 6 : 60); call += 1) {
        for (const path of swapped.paths) {
          const found = await find(path).catch(unlessGone);
          assert.equal(found ?? INSIDE, INSIDE);
        }
      }
      await swapped.end();
      for (const left of ['swapped', 'swapped.folder']) await unmountAll(join(swapped.root, left));
      await assertUntouched(swapped.outside);
    });
  }

  it('a mount in the view of a container: a place is named in UTF-8', async (t) => {
    const volume = await makeTempDir(t, 'volume');
    await writeFile(join(volume, 'file'), 'of the volume');
    const fd = openSync(hostile.root, constants.O_RDONLY | constants.O_DIRECTORY);
    const place = join(hostile.root, '\ud55c');
    try {
      const point = { destination: '/\ud55c', type: 'bind', source: volume, options: ['rbind', 'rw'] };
      await mountInView(inRoot, fd, point);
      assert.equal(await readFile(join(place, 'file'), 'utf8'), 'of the volume');
    } finally {
      await unmountAll(place);
      closeSync(fd);
    }
  });

  it('COPY --from: every name of a folder byte by byte', async () => {
    const tree = new FolderTree(hostile.root, async () => undefined);
    const [source] = await selectSources(tree, '/', { parents: false, dropsOwners: false });
    assert.ok(source);
    const copied = (await Array.fromAsync(copiedEntries(source, []))).map(({ path, entry }) => {
      const target = entry.kind === 'symlink' ? entry.target : '';
      return `${path} ${entry.kind} ${target}`;
    });
    const expected = (await listTree(Buffer.from(hostile.root), '')).map((line) =>
      line.replace(/ file .*$/, ' file '),
    );
    assert.deepEqual(copied.slice(1).sort(), expected.sort());
  });

  it('export: every name of the tree byte by byte, links as links, and no content of the host', async () => {
    const chunks = await Array.fromAsync(trees.read({ folder: hostile.root }, never));
    const expected = (await listTree(Buffer.from(hostile.root), '')).sort();
    assert.deepEqual(listTar(chunks).sort(), expected);
    assert.ok(expected.some((line) => line.startsWith('\xff/\xff/file file')));
  });

  it('export: a link that was a folder or a file is opened as neither, and leads to no member', async () => {
    const fd = openSync(hostile.root, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      assert.equal(openFolderAt(fd, 'to-host'), undefined);
      assert.equal(openFileAt(fd, 'to-host-file'), undefined);
    } finally {
      closeSync(fd);
    }
    const members = [{ source: 'to-host/file', target: 'file', recursive: true }];
    await assert.rejects(Array.fromAsync(trees.read({ folder: hostile.root, members }, never)), {
      code: 'ENOENT',
    });
  });

  it('export: a folder that becomes a link meanwhile', async (t) => {
    const swapped = await swapFolder(t);
    for (let call = 0; call < 200; call += 1) {
      const contents = contentsOf(await Array.fromAsync(trees.read({ folder: swapped.root }, never)));
      assert.ok(!contents.includes(OUTSIDE));
    }
    await swapped.end();
    await assertUntouched(swapped.outside);
  });
});

/** The mounts of a step whose source is the tree. */
async function buildMount(
  t: TestContext,
  root: string,
  trees: TreeThreads,
  type: 'bind' | 'cache',
): Promise<Find> {
  const folder = await makeTempDir(t, 'step');
  const partsDirectory = join(folder, 'parts');
  const rootfs = join(folder, 'rootfs');
  await mkdir(partsDirectory);
  await mkdir(rootfs);
  const context = {
    libc,
    trees,
    partsDirectory,
    cacheMounts: await CacheMounts.open(join(folder, 'caches')),
    secretsDirectory: join(folder, 'secrets'),
    openFolder: async () => ({ path: root, release: async () => undefined }),
  } satisfies Partial<MountsContext>;
  const text = { name: 'Dockerfile', lines: ['RUN'] };
  const step = { at: { text, line: 1, endLine: 1 } } as unknown as Step;
  return async (source) => {
    const common = { from: { kind: 'stage', index: 0 }, source, target: '/mnt' } as const;
    const mount: StepMount =
      type === 'bind'
        ? { ...common, type, writable: true }
        : { ...common, type, id: source, readonly: false, sharing: 'private', mode: 0o755, uid: 0, gid: 0 };
    const op = { mounts: [mount] } as unknown as RunOp;
    const opened = await openMounts(context as unknown as MountsContext, {
      step,
      op,
      rootfs,
      signal: never,
    });
    try {
      return await readFile(join(opened.mounts[0]?.source ?? '', 'file'), 'utf8').catch(unlessMissing);
    } finally {
      await opened.close();
    }
  };
}

function contentsOf(tar: readonly Uint8Array[]): readonly string[] {
  const contents: string[] = [];
  const parser = new TarParser({
    entry: ({ kind, size }) => {
      if (kind === 'file' && size > 0) contents.push('');
    },
    data: (chunk) => {
      contents.push(`${contents.pop()}${Buffer.from(chunk)}`);
    },
  });
  for (const chunk of tar) parser.push(chunk);
  parser.finish();
  return contents;
}

/** A line for each entry below a folder: its path, each character one byte; its kind; what it has or leads to. */
async function listTree(folder: Buffer, path: string): Promise<string[]> {
  const lines: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true, encoding: 'buffer' })) {
    const at = Buffer.concat([folder, Buffer.from('/'), entry.name]);
    const below = `${path}${entry.name.toString('latin1')}`;
    if (entry.isSymbolicLink()) lines.push(`${below} symlink ${await readlink(at, { encoding: 'latin1' })}`);
    else if (entry.isFile()) lines.push(`${below} file ${await readFile(at, 'latin1')}`);
    else lines.push(`${below} folder `, ...(await listTree(at, `${below}/`)));
  }
  return lines;
}

/** The same of the entries of a tar. */
function listTar(tar: readonly Uint8Array[]): string[] {
  const lines: string[] = [];
  const parser = new TarParser({
    entry: ({ path, kind, target }) => lines.push(`${path.replace(/\/$/, '')} ${kind} ${target}`),
    data: (chunk) => lines.push(`${lines.pop()}${Buffer.from(chunk).toString('latin1')}`),
  });
  for (const chunk of tar) parser.push(chunk);
  parser.finish();
  return lines;
}

async function* only(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
  yield chunk;
}

async function unmountAll(place: string): Promise<void> {
  while (await unmount(place, { detach: true }));
}

async function assertUntouched(outside: string): Promise<void> {
  assert.deepEqual(await readdir(outside), ['file']);
  assert.equal(await readFile(join(outside, 'file'), 'utf8'), OUTSIDE);
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** While what is looked at is swapped, it may be gone or a link; nothing else is an excuse. */
function unlessGone(error: NodeJS.ErrnoException): undefined {
  const cause = (error.cause ?? error) as NodeJS.ErrnoException;
  if (GONE.test(`${cause.code} ${error.message}`)) return undefined;
  throw error;
}
