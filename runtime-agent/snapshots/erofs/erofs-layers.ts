import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSize } from '../../../lib/linux/files/file-size.ts';
import { readMounts, unmount } from '../../../lib/linux/mount/mount.ts';
import { type ErofsMounter, mountErofsFiles } from '../../../lib/linux/mount/mount-erofs.ts';
import { allDone } from '../../../lib/sync/concurrently.ts';
import { KeyedLock } from '../../../lib/sync/semaphore.ts';
import { type Digest, digestHex } from '../../../oci/digest.ts';
import { BufferPool, WriteBehind } from '../../../storage/blobs/filesystem/write-behind.ts';
import { storageFull } from '../../storage-full.ts';
import { FollowThread } from '../follow/follow-thread.ts';
import {
  type CheckedTar,
  checkTar,
  diffIdAlgorithm,
  invalidLayer,
  judgeTar,
  LayerFolders,
  layerNotHere,
  readContentSize,
  syncFolder,
  writeContentSize,
} from '../layer-folders.ts';
import type { LayerContent, LayerStore } from '../layer-store.ts';
import { IndexThread } from './index-thread.ts';
import { INDEX, MOUNT_POINT, OLD_IMAGES, readTar, TAR, tarSize } from './read-tar.ts';

/**
 * Layers as uncompressed tars, each with an EROFS index beside it and mounted at most once for all its containers:
 * `<directory>/layers/<diff ID>/{layer.tar,index.erofs,fs}`.
 */
export class ErofsLayers implements LayerStore {
  readonly kind = 'erofs';
  readonly #layers: LayerFolders;
  readonly #lock = new KeyedLock();
  readonly #follower = new FollowThread();
  readonly #indexer = new IndexThread();
  readonly #mount: ErofsMounter;

  private constructor(layers: LayerFolders, mount: ErofsMounter) {
    this.#layers = layers;
    this.#mount = mount;
  }

  /** Existing layers may have been mounted another way: only the mounting differs. */
  static async open(directory: string, mount = mountErofsFiles): Promise<ErofsLayers> {
    return new ErofsLayers(await LayerFolders.open(join(directory, 'layers')), mount);
  }

  async has(diffId: Digest): Promise<boolean> {
    return await this.#layers.has(diffId);
  }

  async add(diffId: Digest, tar: LayerContent, signal: AbortSignal): Promise<void> {
    await this.#add(diffId, tar, undefined, signal);
  }

  async addNew(
    tar: AsyncIterable<Uint8Array>,
    claim: (diffId: Digest) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Digest> {
    return await this.#add(undefined, tar, claim, signal);
  }

  read(diffId: Digest, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return readTar(this.#layers.path(diffId), diffId, signal);
  }

  async tarSize(diffId: Digest): Promise<number> {
    return await tarSize(this.#layers.path(diffId), diffId);
  }

  async contentSize(diffId: Digest): Promise<number> {
    return await readContentSize(this.#layers.path(diffId));
  }

  async remove(diffId: Digest): Promise<void> {
    await this.#lock.run(diffId, async () => {
      // Overlays hold their own reference to the mount and its files, so they continue.
      while (await unmount(join(this.#layers.path(diffId), MOUNT_POINT), { detach: true }));
      await this.#layers.remove(diffId);
    });
  }

  async list(): Promise<readonly Digest[]> {
    return await this.#layers.list();
  }

  async folders(diffIds: readonly Digest[]): Promise<readonly string[]> {
    const mounted = new Set((await readMounts()).map((mount) => mount.mountPoint));
    const folders: string[] = [];
    for (const diffId of diffIds) folders.push(await this.#mountLayer(diffId, mounted));
    return folders;
  }

  async #add(
    expected: Digest | undefined,
    tar: LayerContent,
    claim: ((diffId: Digest) => Promise<void>) | undefined,
    signal: AbortSignal,
  ): Promise<Digest> {
    try {
      return await this.#layers.add(async (folder) => {
        const file = await open(join(folder, TAR), 'wx+', 0o600);
        try {
          const received = await receiveTar(expected, tar, { file, follower: this.#follower, signal });
          await claim?.(received.diffId);
          if (!(await this.#layers.has(received.diffId))) await this.#finish(folder, file, received, signal);
          return received.diffId;
        } finally {
          await file.close();
        }
      });
    } catch (error) {
      throw storageFull(error) ?? error;
    }
  }

  async #mountLayer(diffId: Digest, mounted: ReadonlySet<string>): Promise<string> {
    const folder = this.#layers.path(diffId);
    const target = join(folder, MOUNT_POINT);
    if (mounted.has(target)) return target;
    return await this.#lock.run(diffId, async () => {
      if ((await readMounts()).some((mount) => mount.mountPoint === target)) return target;
      if (!(await this.#layers.has(diffId))) throw layerNotHere(diffId);
      const image = join(folder, INDEX);
      if (((await fileSize(image)) ?? 0) === 0) await this.#indexAgain(folder, diffId);
      await this.#mount({ image, device: join(folder, TAR), target });
      return target;
    });
  }

  async #finish(
    folder: string,
    file: FileHandle,
    { diffId, contentSize }: CheckedTar,
    signal: AbortSignal,
  ): Promise<void> {
    // Concurrently, so that the file system commits them together.
    await allDone([
      indexLayer(folder, diffId, this.#indexer, signal),
      writeContentSize(folder, contentSize),
      file.sync(),
      mkdir(join(folder, MOUNT_POINT), { mode: 0o700 }),
    ]);
  }

  /** Writes the index of a layer that an older agent stored. */
  async #indexAgain(folder: string, diffId: Digest): Promise<void> {
    try {
      await indexLayer(folder, diffId, this.#indexer);
    } catch (error) {
      throw storageFull(error) ?? error;
    }
    await syncFolder(folder);
    for (const name of OLD_IMAGES) await rm(join(folder, name), { force: true });
  }
}

/**
 * Writes the index of a layer beside its complete tar; both are mounted together. Leaves nothing when it fails. Throws
 * EngineError 'bad-request' for a tar that is not a valid tree, the signal's reason, and errors of the device.
 */
async function indexLayer(
  folder: string,
  diffId: Digest,
  thread: IndexThread,
  signal?: AbortSignal,
): Promise<void> {
  const path = join(folder, `${INDEX}.new`);
  const tar = await open(join(folder, TAR), 'r');
  try {
    const image = await open(path, 'w', 0o600);
    try {
      signal?.throwIfAborted();
      // The same for the same layer, so that an index can be reproduced byte for byte.
      const uuid = digestHex(diffId).slice(0, 32);
      const malformed = await thread.makeIndex({ tar: tar.fd, image: image.fd, uuid });
      if (malformed !== undefined) throw invalidLayer(diffId, malformed);
      signal?.throwIfAborted();
      await image.sync();
    } finally {
      await image.close();
    }
    await rename(path, join(folder, INDEX));
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await tar.close();
  }
}

interface Reception {
  /** Must be empty, and open for reading and writing. */
  readonly file: FileHandle;
  readonly follower: FollowThread;
  readonly signal: AbortSignal;
}

/** Writes a layer's tar to a file and checks it. The file is not synced. Throws as checkTar does. */
async function receiveTar(
  expected: Digest | undefined,
  tar: LayerContent,
  reception: Reception,
): Promise<CheckedTar> {
  return tar.writeInto === undefined
    ? await writeTar(expected, tar, reception)
    : await followTar(expected, tar.writeInto, reception);
}

async function writeTar(
  expected: Digest | undefined,
  tar: AsyncIterable<Uint8Array>,
  { file, signal }: Reception,
): Promise<CheckedTar> {
  const output = new WriteBehind(file, 0, new BufferPool(3), () => file.datasync());
  try {
    return await checkTar(expected, tar, (chunk) => output.write(chunk), signal);
  } finally {
    await output.finish();
  }
}

/** Reads the file in a thread while another program writes it. */
async function followTar(
  expected: Digest | undefined,
  writeInto: NonNullable<LayerContent['writeInto']>,
  { file, follower, signal }: Reception,
): Promise<CheckedTar> {
  const behind = new SyncBehind(file);
  const followed = follower.follow(file.fd, diffIdAlgorithm(expected), (position) =>
    behind.reached(position),
  );
  try {
    await writeInto(file.fd, () => followed.grown(), signal);
    const findings = await followed.findings();
    signal.throwIfAborted();
    return judgeTar(expected, findings);
  } finally {
    await followed.close();
    await behind.finish();
  }
}

/** Bytes after which write-back begins, so that a sync at the end waits only briefly. */
const SYNC_EVERY = 32 << 20;

/** Writes back a file while other programs extend it. */
class SyncBehind {
  readonly #file: FileHandle;
  #synced = 0;
  #syncing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Reports the size of the file so far; does not wait. */
  reached(position: number): void {
    if (position - this.#synced < SYNC_EVERY || this.#syncing !== undefined) return;
    this.#synced = position;
    this.#syncing = this.#file.datasync().then(
      () => {
        this.#syncing = undefined;
      },
      (error: unknown) => {
        this.#failure ??= { error };
      },
    );
  }

  /**
   * Resolves when no write-back is running; the last bytes may not be stored. Throws its error: no later sync would
   * report it.
   */
  async finish(): Promise<void> {
    await this.#syncing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
