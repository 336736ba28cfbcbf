import { closeSync, constants, fstatSync } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { KeyedLock } from '../../lib/sync/keyed-lock.ts';
import { copyTree } from '../containers/files/copy-tree.ts';
import type { Libc } from '../linux/libc.ts';
import { openInRoot } from '../linux/open-in-root.ts';
import type { Xattrs } from '../linux/xattrs.ts';
import { namesIn, pathAt } from '../snapshots/diff/tree-files.ts';
import type { TreeTars } from '../snapshots/diff/tree-tar.ts';

/** Fills volumes from images, one container at a time for each volume. */
export class CopyUp {
  readonly #libc: Libc;
  readonly #trees: TreeTars;
  readonly #xattrs: Xattrs;
  readonly #locks = new KeyedLock();

  constructor(libc: Libc, trees: TreeTars, xattrs: Xattrs) {
    this.#libc = libc;
    this.#trees = trees;
    this.#xattrs = xattrs;
  }

  /**
   * Gives an empty volume what the image has at the place where the volume is mounted, with modes, owners, links and
   * extended attributes, as dockerd does at first use. `path` is resolved inside `rootfs`. A volume that holds something,
   * or an image that has no folder there, changes nothing. No link is followed out of the volume, whatever other
   * containers that have it put there meanwhile. Throws EngineError.
   */
  fill(volume: string, rootfs: string, path: string): Promise<void> {
    return this.#locks.run(volume, async () => {
      if ((await readdir(volume)).length > 0) return;
      const source = openInRoot(this.#libc, rootfs, path, 'folder');
      if (source === undefined) return;
      try {
        if (this.#isPlain(source)) await copyAttributes(source, volume);
        else await this.#copy(source, volume);
      } finally {
        closeSync(source);
      }
    });
  }

  /** Most images have an empty folder there, for which no thread has to start. */
  #isPlain(source: number): boolean {
    return namesIn(source).length === 0 && this.#xattrs.read(pathAt(source, '.')).size === 0;
  }

  async #copy(source: number, volume: string): Promise<void> {
    // Not given up when the agent stops, which waits for it: the next start would take a half for the whole.
    await copyTree(this.#trees, source, volume, new AbortController().signal);
  }
}

/** Owner, mode and time in whole seconds, as the tar of a folder has them. */
async function copyAttributes(source: number, volume: string): Promise<void> {
  const { uid, gid, mode, mtimeMs } = fstatSync(source);
  const mtime = Math.floor(mtimeMs / 1000);
  const root = await open(volume, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await root.chown(uid, gid);
    await root.chmod(mode & 0o7777);
    await root.utimes(mtime, mtime);
  } finally {
    await root.close();
  }
}
