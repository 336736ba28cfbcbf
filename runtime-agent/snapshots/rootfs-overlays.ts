import { randomUUID } from 'node:crypto';
import { access, chmod, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../../lib/linux/files/remove-tree.ts';
import { readMounts, unmount } from '../../lib/linux/mount/mount.ts';
import {
  MAX_OVERLAY_LAYERS,
  mountOverlay,
  type OverlayRequest,
} from '../../lib/linux/mount/mount-overlay.ts';
import { KeyedLock } from '../../lib/sync/semaphore.ts';
import { type Digest, isDigest } from '../../oci/digest.ts';
import { EngineError } from '../errors.ts';
import type { LayerStore } from './layer-store.ts';

/** Number of files that the kernel creates to test a file system's features: a folder, a device and their results. */
const SPARES = 4;
const LAYERS_FILE = 'layers.json';
const MERGED = 'merged';
const REMOVED = '.removed-';

/** The mounted root file system of a container. */
export interface Rootfs {
  /** Absolute path of the mounted tree. */
  readonly path: string;
  /** Absolute path of the writable layer, which has the differences from the image, with overlay's whiteouts. */
  readonly upper: string;
}

/**
 * Root file systems of containers and build steps: overlay mounts of layers and one writable layer.
 *
 * A writable layer has the changes that one container, or one build step, makes to the layers below it; it is known by
 * an ID that the caller chooses. It lives from the first `mount` to `remove`; its mount comes and goes, with the agent
 * or the host too, and `mount` makes it again.
 *
 *     const { path } = await overlays.mount('c1', [base, top]);
 *     // ... a container runs in `path`; usedLayers() has `base` and `top`
 *     await overlays.unmount('c1');                              // it has stopped; its changes stay
 *     await overlays.mount('c1', [base, top]);                   // it starts again, with its changes
 *     await overlays.remove('c1');                               // docker rm
 *
 * They lie in one folder as `<id>/{upper,work,merged,layers.json}`. What is mounted is read from the kernel each time,
 * so that a killed agent loses count of nothing.
 */
export class RootfsOverlays {
  readonly #root: string;
  readonly #layerStore: LayerStore;
  readonly #lock = new KeyedLock();
  /** Removals run one at a time: an unmount can block a thread for long. */
  #purging: Promise<void> = Promise.resolve();

  private constructor(root: string, layerStore: LayerStore) {
    this.#root = root;
    this.#layerStore = layerStore;
  }

  /** Creates `<directory>/snapshots`, readable by its owner only, and continues interrupted removals. */
  static async open(directory: string, layerStore: LayerStore): Promise<RootfsOverlays> {
    const root = join(directory, 'snapshots');
    await mkdir(root, { recursive: true, mode: 0o700 });
    const overlays = new RootfsOverlays(root, layerStore);
    for (const name of await readdir(root)) if (name.startsWith(REMOVED)) overlays.#purge(join(root, name));
    return overlays;
  }

  /**
   * Mounts the layers (lowest first) below the writable layer `id`, which the first call creates. While it is mounted,
   * returns the same mount. Throws EngineError 'not-found' for a missing layer.
   */
  async mount(id: string, diffIds: readonly Digest[]): Promise<Rootfs> {
    return await this.#lock.run(id, async () => {
      const folder = this.#folder(id);
      const rootfs: Rootfs = { path: join(folder, MERGED), upper: join(folder, 'upper') };
      if ((await readMounts()).some((mount) => mount.mountPoint === rootfs.path)) return rootfs;
      await mkdir(folder, { recursive: true, mode: 0o700 });
      // The layers are recorded first: from then on they are in use.
      const note = join(folder, LAYERS_FILE);
      await writeNote(note, JSON.stringify(diffIds));
      // The container's root has the upper folder's mode and owner. Every user in the container must have access,
      // whatever the umask of the agent; later the container owns the mode.
      const made = await mkdir(rootfs.upper, { recursive: true });
      if (made !== undefined) await chmod(rootfs.upper, 0o755);
      await mkdir(join(folder, 'work'), { recursive: true, mode: 0o700 });
      await mkdir(rootfs.path, { recursive: true, mode: 0o700 });
      await mountWithSpares(folder, {
        lower: await this.#lowerFolders(folder, diffIds),
        upper: rootfs.upper,
        work: join(folder, 'work'),
        target: rootfs.path,
        scratch: folder,
      });
      return rootfs;
    });
  }

  /** Unmounts it and keeps the writable layer; does nothing when it is not mounted. */
  async unmount(id: string): Promise<void> {
    await this.#lock.run(id, () => this.#unmount(id));
  }

  /**
   * Removes the writable layer, mounted or not; succeeds when there is none. It is unmounted and deleted later: an
   * unmount first writes all dirty data to disk, which can take seconds and is useless here.
   */
  async remove(id: string): Promise<void> {
    await this.#lock.run(id, async () => {
      const trash = join(this.#root, `${REMOVED}${randomUUID()}`);
      try {
        await rename(this.#folder(id), trash);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
        throw error;
      }
      this.#purge(trash);
    });
  }

  /** Resolves when the disk space of all removed writable layers is freed, or freeing it has failed. */
  async settle(): Promise<void> {
    await this.#purging;
  }

  /** Returns the path of the writable layer `id`, mounted or not; undefined when there is none. */
  async findUpper(id: string): Promise<string | undefined> {
    const upper = join(this.#folder(id), 'upper');
    try {
      await access(upper);
      return upper;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Returns the IDs of all writable layers, from which recovery removes those that a crash left. */
  async list(): Promise<readonly string[]> {
    return (await readdir(this.#root)).filter((name) => !name.startsWith('.'));
  }

  /** Returns the layers below the writable layers of this host, mounted or not; these must not be removed. */
  async usedLayers(): Promise<ReadonlySet<Digest>> {
    const used = new Set<Digest>();
    for (const id of await this.list()) {
      const text = await readFile(join(this.#folder(id), LAYERS_FILE), 'utf8').catch(
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'ENOENT') return '[]';
          throw error;
        },
      );
      for (const diffId of JSON.parse(text) as readonly string[]) if (isDigest(diffId)) used.add(diffId);
    }
    return used;
  }

  async #lowerFolders(folder: string, diffIds: readonly Digest[]): Promise<readonly string[]> {
    // An image may name one layer twice, an overlay may not: the upper one hides the lower one completely.
    const once = diffIds.filter((diffId, index) => diffIds.indexOf(diffId, index + 1) < 0);
    if (once.length > MAX_OVERLAY_LAYERS) {
      throw new EngineError(
        'bad-request',
        `the image has ${once.length} layers, and the kernel can mount ${MAX_OVERLAY_LAYERS}: build it again with fewer`,
      );
    }
    if (once.length > 0) return (await this.#layerStore.folders(once)).toReversed();
    // An image without layers is legal; an overlay needs a lower folder.
    const empty = join(folder, 'empty');
    await mkdir(empty, { recursive: true, mode: 0o755 });
    return [empty];
  }

  async #unmount(id: string): Promise<void> {
    await unmountAll(join(this.#folder(id), MERGED));
  }

  /** Failed removals are retried when the agent starts. */
  #purge(trash: string): void {
    this.#purging = this.#purging.then(async () => {
      try {
        await unmountAll(join(trash, MERGED));
        await removeTree(trash);
      } catch {
        // Nobody waits, and only disk space is lost.
      }
    });
  }

  #folder(id: string): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(id))
      throw new TypeError(`"${id}" cannot name a root file system`);
    return join(this.#root, id);
  }
}

async function unmountAll(target: string): Promise<void> {
  while (await unmount(target, { detach: true }));
}

/**
 * Writes the list of layers, unless it exists: a restarted container has one already, and a full disk may have no room
 * for another.
 */
async function writeNote(path: string, text: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return;
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/**
 * The kernel creates some files while it mounts an overlay. A writable layer keeps as many in reserve, so that a
 * container can be restarted when the file system has no inode left.
 */
async function mountWithSpares(folder: string, request: OverlayRequest): Promise<void> {
  const spares = Array.from({ length: SPARES }, (_, index) => join(folder, `spare-${index}`));
  try {
    await mountOverlay(request);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    await Promise.all(spares.map((spare) => rm(spare, { force: true })));
    await mountOverlay(request);
  }
  await Promise.all(spares.map(makeSpare));
}

async function makeSpare(path: string): Promise<void> {
  const file = await open(path, 'a', 0o600).catch(() => undefined);
  await file?.close();
}
