import { closeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { openInRoot } from '../../lib/linux/files/in-root.ts';
import type { Xattrs } from '../../lib/linux/files/xattrs.ts';
import type { Libc } from '../../lib/linux/libc.ts';
import { syncFilesystem } from '../../lib/linux/sync-filesystem.ts';
import { KeyedLock } from '../../lib/sync/semaphore.ts';
import { namesIn, pathAt } from '../snapshots/diff/tree-files.ts';
import type { TreeTars } from '../snapshots/diff/tree-tar.ts';
import { copyAttributes, fillWhole, settleFilling, settleRemains } from './volume-filling.ts';

/** Fills volumes from images, one container at a time for each volume. */
export class CopyUp {
  readonly #libc: Libc;
  readonly #trees: TreeTars;
  readonly #xattrs: Xattrs;
  readonly #sync: typeof syncFilesystem;
  readonly #locks = new KeyedLock();

  /** `sync` makes the content of a folder's file system durable. */
  constructor(libc: Libc, trees: TreeTars, xattrs: Xattrs, sync = syncFilesystem) {
    this.#libc = libc;
    this.#trees = trees;
    this.#xattrs = xattrs;
    this.#sync = sync;
  }

  /**
   * Fills an empty volume with the image's content at its mount point, with modes, owners, links and extended
   * attributes, as dockerd does at first use: all or nothing, even if the agent is killed or the power fails. `path` is
   * resolved inside `rootfs`. A non-empty volume, or an image without a folder there, changes nothing. No link is
   * followed out of the volume, whatever other containers put there meanwhile. `folder` is the volume, or an empty
   * folder in it that is mounted alone. Throws EngineError.
   */
  fill(volume: string, rootfs: string, path: string, folder: string = volume): Promise<void> {
    return this.#locks.run(volume, async () => {
      if (!(await settleFilling(this.#trees, folder))) return;
      const source = openInRoot(this.#libc, rootfs, path, 'folder');
      if (source === undefined) return;
      try {
        const hasXattrs = this.#xattrs.read(pathAt(source, '.')).size > 0;
        // Most images have an empty folder there, which needs no thread.
        if (namesIn(source).length > 0 || hasXattrs) {
          const xattrs = hasXattrs ? 'with-xattrs' : 'without-xattrs';
          await fillWhole({ trees: this.#trees, sync: this.#sync }, source, folder, xattrs);
        } else {
          const empty = await open(`/proc/self/fd/${source}`);
          await copyAttributes(empty, folder).finally(() => empty.close());
        }
      } finally {
        closeSync(source);
      }
    });
  }

  /** Finishes or undoes a copy into the volume that a kill of the agent has interrupted. */
  settle(volume: string): Promise<void> {
    return this.#locks.run(volume, () => settleRemains(this.#trees, volume));
  }
}
