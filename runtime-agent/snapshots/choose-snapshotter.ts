import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../storage/oci/digest.ts';
import { EngineError } from '../errors.ts';
import { ErofsSnapshotter } from './erofs/erofs-snapshotter.ts';
import type { Snapshotter } from './snapshotter.ts';
import { encodeFolders } from './tar-header.ts';
import { UnpackedSnapshotter } from './unpacked/unpacked-snapshotter.ts';

/** The snapshotter of a host, and why it is not the better one where it is not. */
export interface ChosenSnapshotter {
  readonly snapshotter: Snapshotter;
  /** What keeps this host from mounting layers without unpacking them; a sentence for the log. */
  readonly fallbackReason?: string;
}

/**
 * Opens the snapshotter for `dataDirectory`: EROFS where a trial with a layer of one folder succeeds (it needs
 * mkfs.erofs 1.8 and Linux 6.12), otherwise unpacked layers. Needs root.
 */
export async function chooseSnapshotter(
  dataDirectory: string,
  signal: AbortSignal,
): Promise<ChosenSnapshotter> {
  try {
    await tryErofs(dataDirectory, signal);
  } catch (error) {
    signal.throwIfAborted();
    // Says nothing about this host, and the images on it are to be found again.
    if (error instanceof EngineError && error.code === 'storage-full') {
      return { snapshotter: await ErofsSnapshotter.open(dataDirectory) };
    }
    const fallbackReason = `layers cannot be mounted without unpacking them: ${(error as Error).message}`;
    return { snapshotter: await UnpackedSnapshotter.open(dataDirectory), fallbackReason };
  }
  return { snapshotter: await ErofsSnapshotter.open(dataDirectory) };
}

async function tryErofs(dataDirectory: string, signal: AbortSignal): Promise<void> {
  const folder = await mkdtemp(join(dataDirectory, 'trial-'));
  try {
    const snapshotter = await ErofsSnapshotter.open(folder);
    const tar = encodeFolders(['trial']);
    const diffId: Digest = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
    await snapshotter.addLayer(diffId, only(tar), signal);
    try {
      const { path } = await snapshotter.mountRootfs('trial', [diffId]);
      if (!(await readdir(path)).includes('trial')) throw new Error('a mounted layer shows nothing');
    } finally {
      await snapshotter.removeRootfs('trial');
      await snapshotter.removeLayer(diffId);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* only(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
  yield chunk;
}
