import { type FileHandle, mkdir, open, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BufferPool, WriteBehind } from '../../../storage/blobs/filesystem/write-behind.ts';
import type { Digest } from '../../../storage/oci/digest.ts';
import { EngineError } from '../../errors.ts';
import { readMounts, unmount } from '../../linux/mount.ts';
import { mountErofs } from '../../linux/mount-erofs.ts';
import { KeyedLock } from '../keyed-lock.ts';
import { LayerFolders } from '../layer-folders.ts';
import { type CheckedTar, checkTar } from '../layer-tar.ts';
import { RootfsOverlays } from '../rootfs-overlays.ts';
import type { Rootfs, Snapshotter } from '../snapshotter.ts';
import { storageFull } from '../storage-full.ts';
import { encodeFolders } from '../tar-header.ts';
import { makeErofsIndex } from './erofs-index.ts';

/**
 * Layers as uncompressed tars, each with an EROFS index beside it and mounted at most once however many containers
 * stand on it: `<directory>/layers/<diff ID>/{layer.tar,layer.erofs,fs}`.
 */
export class ErofsSnapshotter implements Snapshotter {
  readonly kind = 'erofs';
  readonly #layers: LayerFolders;
  readonly #overlays: RootfsOverlays;
  readonly #lock = new KeyedLock();

  private constructor(layers: LayerFolders, overlays: RootfsOverlays) {
    this.#layers = layers;
    this.#overlays = overlays;
  }

  static async open(directory: string): Promise<ErofsSnapshotter> {
    return new ErofsSnapshotter(
      await LayerFolders.open(join(directory, 'layers')),
      await RootfsOverlays.open(join(directory, 'snapshots')),
    );
  }

  async hasLayer(diffId: Digest): Promise<boolean> {
    return await this.#layers.has(diffId);
  }

  async addLayer(diffId: Digest, tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    try {
      await this.#layers.add(diffId, (folder) => fillLayer(folder, diffId, tar, signal));
    } catch (error) {
      throw storageFull(error) ?? error;
    }
  }

  async layerSize(diffId: Digest): Promise<number> {
    const folder = this.#layers.path(diffId);
    try {
      const [tar, index] = await Promise.all([
        stat(join(folder, 'layer.tar')),
        stat(join(folder, 'layer.erofs')),
      ]);
      return tar.size + index.size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
      throw error;
    }
  }

  async removeLayer(diffId: Digest): Promise<void> {
    await this.#lock.run(diffId, async () => {
      // Overlays hold their own reference to the mount and its files: those that stand on it go on.
      while (await unmount(join(this.#layers.path(diffId), 'fs'), { detach: true }));
      await this.#layers.remove(diffId);
    });
  }

  async listLayers(): Promise<readonly Digest[]> {
    return await this.#layers.list();
  }

  async listUsedLayers(): Promise<ReadonlySet<Digest>> {
    return await this.#overlays.usedLayers();
  }

  async mountRootfs(id: string, diffIds: readonly Digest[]): Promise<Rootfs> {
    return await this.#overlays.mount(id, diffIds, async (layers) => {
      const mounted = new Set((await readMounts()).map((mount) => mount.mountPoint));
      const folders: string[] = [];
      for (const diffId of layers) folders.push(await this.#mountLayer(diffId, mounted));
      return folders;
    });
  }

  async unmountRootfs(id: string): Promise<void> {
    await this.#overlays.unmount(id);
  }

  async removeRootfs(id: string): Promise<void> {
    await this.#overlays.remove(id);
  }

  async listRootfs(): Promise<readonly string[]> {
    return await this.#overlays.list();
  }

  async #mountLayer(diffId: Digest, mounted: ReadonlySet<string>): Promise<string> {
    const folder = this.#layers.path(diffId);
    const target = join(folder, 'fs');
    if (mounted.has(target)) return target;
    return await this.#lock.run(diffId, async () => {
      if ((await readMounts()).some((mount) => mount.mountPoint === target)) return target;
      if (!(await this.#layers.has(diffId))) {
        throw new EngineError('not-found', `layer ${diffId} is not on this host: pull the image again`);
      }
      await mountErofs({
        index: join(folder, 'layer.erofs'),
        tar: join(folder, 'layer.tar'),
        target,
      });
      return target;
    });
  }
}

async function fillLayer(
  folder: string,
  diffId: Digest,
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const path = join(folder, 'layer.tar');
  const file = await open(path, 'wx+', 0o600);
  try {
    const received = await receiveTar(diffId, tar, file, signal);
    if (received.impliedFolders.length > 0 || !received.hasEndMark) {
      // mkfs.erofs needs the end mark and opens folders without an entry to everybody (mode 0777). They get entries
      // of their own; layer.tail keeps the bytes that stood there, for whoever needs the tar as it came.
      const tail = Buffer.alloc(received.size - received.entriesEnd);
      await file.read(tail, 0, tail.length, received.entriesEnd);
      await writeFile(join(folder, 'layer.tail'), tail, { mode: 0o600, flush: true });
      const addition = encodeFolders(received.impliedFolders);
      await file.write(addition, 0, addition.length, received.entriesEnd);
    }
    await makeErofsIndex({ diffId, tar: path, index: join(folder, 'layer.erofs'), signal });
    await file.sync();
    await mkdir(join(folder, 'fs'), { mode: 0o700 });
  } finally {
    await file.close();
  }
}

async function receiveTar(
  diffId: Digest,
  tar: AsyncIterable<Uint8Array>,
  file: FileHandle,
  signal: AbortSignal,
): Promise<CheckedTar> {
  const output = new WriteBehind(file, 0, new BufferPool(3), () => file.datasync());
  try {
    return await checkTar(diffId, tar, (chunk) => output.write(chunk), signal);
  } finally {
    await output.finish();
  }
}
