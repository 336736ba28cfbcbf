import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ErofsMounter, mountErofsByLoop, mountErofsFiles } from '../../lib/linux/mount/mount-erofs.ts';
import { encodeEntry, type NewTarEntry, TAR_END_SIZE } from '../../lib/tar/tar-writer.ts';
import type { Digest } from '../../oci/digest.ts';
import { isEngineError } from '../errors.ts';
import { ErofsLayers } from './erofs/erofs-layers.ts';
import type { LayerStore } from './layer-store.ts';
import { RootfsOverlays } from './rootfs-overlays.ts';
import { UnpackedLayers } from './unpacked/unpacked-layers.ts';

/** The layer store of a host, and the reason if it is not the preferred one. */
export interface ChosenLayerStore {
  readonly layerStore: LayerStore;
  /** `file`: mounted as they are; `loop`: through loop devices; `unpacked`: not mounted. */
  readonly layers: 'file' | 'loop' | 'unpacked';
  /** Why this host cannot use the preferred store; a sentence for the log. */
  readonly fallbackReason?: string;
}

const TRIAL: NewTarEntry = {
  path: 'trial',
  kind: 'folder',
  mode: 0o755,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  target: '',
  major: 0,
  minor: 0,
  xattrs: new Map(),
};
const MOUNTERS = { file: mountErofsFiles, loop: mountErofsByLoop } as const;

export interface ChooseOptions {
  /** Tried in this order. */
  readonly candidates?: readonly ('file' | 'loop')[];
  /** An in-memory folder that remembers the choice, for a start when the disk has no room for a trial. */
  readonly memory?: string;
}

/**
 * Opens the layer store of `dataDirectory`: EROFS if a trial with a layer of one folder succeeds (it needs Linux 6.12,
 * or loop devices on an older one), otherwise unpacked layers. Needs root.
 */
export async function chooseLayerStore(
  dataDirectory: string,
  signal: AbortSignal,
  { candidates = ['file', 'loop'], memory }: ChooseOptions = {},
): Promise<ChosenLayerStore> {
  const note = memory === undefined ? undefined : join(memory, 'layers');
  const last = note && (await readFile(note, 'utf8').catch(() => undefined));
  const reasons: string[] = [];
  for (const layers of candidates) {
    const mounter = MOUNTERS[layers];
    try {
      await tryErofs(dataDirectory, mounter, signal).catch((error: unknown) => {
        if (!isFull(error) || memory === undefined) throw error;
        if (last === undefined) return tryErofs(memory, mounter, signal);
        if (last !== layers) throw new Error('there is no room for a trial, and the last one has failed');
      });
    } catch (error) {
      signal.throwIfAborted();
      // A full disk reveals nothing about this host, and its existing images must be found again.
      if (!isFull(error)) {
        reasons.push((error as Error).message);
        continue;
      }
    }
    const layerStore = await ErofsLayers.open(dataDirectory, mounter);
    if (note !== undefined) await writeFile(note, layers, { mode: 0o600 });
    if (layers === 'file') return { layerStore, layers };
    return {
      layerStore,
      layers,
      fallbackReason: `layers are mounted through loop devices, as their files cannot be mounted: ${reasons.join('; ')}`,
    };
  }
  const fallbackReason = `layers cannot be mounted without unpacking them: ${reasons.join('; ')}`;
  return { layerStore: await UnpackedLayers.open(dataDirectory), layers: 'unpacked', fallbackReason };
}

async function tryErofs(dataDirectory: string, mounter: ErofsMounter, signal: AbortSignal): Promise<void> {
  const folder = await mkdtemp(join(dataDirectory, 'trial-'));
  try {
    const layerStore = await ErofsLayers.open(folder, mounter);
    const overlays = await RootfsOverlays.open(folder, layerStore);
    const tar = Buffer.concat([encodeEntry(TRIAL), Buffer.alloc(TAR_END_SIZE)]);
    const diffId: Digest = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
    await layerStore.add(diffId, only(tar), signal);
    try {
      const { path } = await overlays.mount('trial', [diffId]);
      if (!(await readdir(path)).includes('trial')) throw new Error('a mounted layer shows nothing');
    } finally {
      await overlays.remove('trial');
      await layerStore.remove(diffId);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* only(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
  yield chunk;
}

function isFull(error: unknown): boolean {
  if (isEngineError(error)) return error.code === 'storage-full';
  return (error as NodeJS.ErrnoException).code === 'ENOSPC';
}
