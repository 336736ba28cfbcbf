import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileTime } from '../../lib/linux/files/file-size.ts';
import { removeTree } from '../../lib/linux/files/remove-tree.ts';
import { EngineError } from '../errors.ts';
import { pathAt } from '../snapshots/diff/tree-files.ts';
import type { TreeTars } from '../snapshots/diff/tree-tar.ts';
import { copyTree } from '../trees/copy-tree.ts';
import { fillTree } from '../trees/fill-tree.ts';

/** An incomplete copy in a volume. After a kill it is removed: the volume is still empty. */
const FILLING = '.berth-filling';
/** A complete copy. Its content moves to the volume, also after a kill. */
const FILLED = '.berth-filled';

const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Reports whether a folder with these names needs no fill: it has content, and no other copy into it is running. */
export function holdsContent(names: readonly string[]): boolean {
  return names.length > 0 && !names.includes(FILLING) && !names.includes(FILLED);
}

/**
 * Finishes or undoes an earlier fill of the folder that was killed. Returns whether the folder is empty
 * now. Files of containers stay.
 */
export async function settleFilling(trees: TreeTars, folder: string): Promise<boolean> {
  const names = new Set(await readdir(folder, { encoding: 'latin1' }));
  if (names.delete(FILLING)) await removeTree(join(folder, FILLING));
  if (!names.has(FILLED)) return names.size === 0;
  await moveFilled(trees, folder, 'with-xattrs').catch((error: NodeJS.ErrnoException) => {
    // A file of a container has the name.
    if (!CHANGED.has(error.code)) throw error;
  });
  return false;
}

/** Removes or finishes such remains if there are any, without reading the rest of the folder. */
export async function settleRemains(trees: TreeTars, folder: string): Promise<void> {
  const left = await Promise.all([FILLING, FILLED].map((name) => exists(join(folder, name))));
  if (left.includes(true)) await settleFilling(trees, folder);
}

/**
 * Copies a folder, including attributes, into an empty one: completely, or not at all if it fails, is killed or loses
 * power. The caller owns the descriptor `source`. Containers with the volume may change it meanwhile: none of their
 * links is followed. Throws EngineError, 'conflict' if the copy was removed.
 */
export async function fillWhole(
  { trees, sync }: { readonly trees: TreeTars; readonly sync: (folder: string) => Promise<void> },
  source: number,
  folder: string,
  xattrs: 'with-xattrs' | 'without-xattrs',
): Promise<void> {
  const filling = join(folder, FILLING);
  try {
    await mkdir(filling, { mode: 0o700 });
    try {
      const target = await open(filling, FOLDER);
      // Not aborted when the agent stops, which waits for it.
      await copyTree(trees, source, target.fd, new AbortController().signal).finally(() => target.close());
      // The name must not be on the device before the content.
      await sync(folder);
      await rename(filling, join(folder, FILLED));
    } catch (error) {
      await removeTree(filling);
      throw error;
    }
    await moveFilled(trees, folder, xattrs);
  } catch (error) {
    if (!CHANGED.has((error as NodeJS.ErrnoException).code)) throw error;
    const why = 'a container changed the volume while it was filled from the image: try again';
    throw new EngineError('conflict', why, { cause: error });
  }
}

/** Errors that mean that something has replaced a copy, or removed it. */
const CHANGED: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EEXIST', 'ENOTEMPTY']);

/** Copies the owner, mode and time of a folder, in whole seconds as in a tar. */
export async function copyAttributes(source: FileHandle, folder: string): Promise<void> {
  const { uid, gid, mode, mtimeMs } = await source.stat();
  const mtime = fileTime(Math.floor(mtimeMs / 1000));
  const target = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await target.chown(uid, gid);
    await target.chmod(mode & 0o7777);
    await target.utimes(mtime, mtime);
  } finally {
    await target.close();
  }
}

async function moveFilled(
  trees: TreeTars,
  folder: string,
  xattrs: 'with-xattrs' | 'without-xattrs',
): Promise<void> {
  const filled = await open(join(folder, FILLED), FOLDER);
  try {
    const target = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      for (const name of await readdir(`/proc/self/fd/${filled.fd}`, { encoding: 'latin1' })) {
        const place = pathAt(target.fd, name);
        if (!(await exists(place))) await rename(pathAt(filled.fd, name), place);
      }
      if (xattrs === 'with-xattrs') await copyFolderAlone(trees, filled.fd, target.fd);
    } finally {
      await target.close();
    }
    await copyAttributes(filled, folder);
    await removeTree(join(folder, FILLED));
    // The removal has changed the time.
    await copyAttributes(filled, folder);
  } finally {
    await filled.close();
  }
}

async function copyFolderAlone(trees: TreeTars, source: number, target: number): Promise<void> {
  const { signal } = new AbortController();
  const members = [{ source: '', target: '.', recursive: false }];
  const tar = trees.read({ folder: source, members }, signal);
  const request = { root: target, folder: '', noOverwriteDirNonDir: false, includesFolder: true };
  await fillTree(request, tar, signal);
}

async function exists(path: string | Buffer): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw error;
  }
}
