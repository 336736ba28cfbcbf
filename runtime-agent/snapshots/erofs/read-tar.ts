import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSize } from '../../../lib/linux/files/file-size.ts';
import type { Digest } from '../../../oci/digest.ts';
import { layerNotHere, tarNotKept } from '../layer-folders.ts';

/** The uncompressed tar of a layer, unchanged. */
export const TAR = 'layer.tar';

/** The tree of a layer; the bodies of its files are in the tar. */
export const INDEX = 'index.erofs';

/** Where the layer is mounted. */
export const MOUNT_POINT = 'fs';

/**
 * Earlier agents appended folders to tars: TAIL is the replaced original data, from the byte in TAIL_START (decimal)
 * on.
 */
const TAIL = 'layer.tail';
const TAIL_START = 'layer.tail-start';

/** Images that older agents mounted, made by another program. */
export const OLD_IMAGES: readonly string[] = ['layer.erofs', 'whole.erofs'];

const CHUNK = 1 << 20;

/** Reads the original tar of the layer in `folder`, without additions. Throws EngineError 'not-found'. */
export async function* readTar(
  folder: string,
  diffId: Digest,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const tar = await open(join(folder, TAR), 'r').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? layerNotHere(diffId) : error;
  });
  try {
    const start = await readStart(folder, diffId);
    yield* readUpTo(tar, start ?? (await tar.stat()).size, signal);
    if (start !== undefined) yield* readTail(join(folder, TAIL), signal);
  } finally {
    await tar.close();
  }
}

/** Returns the bytes of readTar. Throws EngineError 'not-found'. */
export async function tarSize(folder: string, diffId: Digest): Promise<number> {
  const start = await readStart(folder, diffId);
  const size =
    start === undefined
      ? await fileSize(join(folder, TAR))
      : start + ((await fileSize(join(folder, TAIL))) ?? 0);
  if (size === undefined) throw layerNotHere(diffId);
  return size;
}

async function* readUpTo(file: FileHandle, end: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let position = 0; position < end; ) {
    signal.throwIfAborted();
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, end - position));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) throw new Error(`a layer's tar ends after ${position} of ${end} bytes`);
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function* readTail(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const size = await fileSize(path);
  if (size === undefined) return;
  const tail = await open(path, 'r');
  try {
    yield* readUpTo(tail, size, signal);
  } finally {
    await tail.close();
  }
}

/** Returns the start of TAIL; undefined if the tar is unchanged. Throws EngineError 'not-found' if it is unknown. */
async function readStart(folder: string, diffId: Digest): Promise<number | undefined> {
  try {
    return Number(await readFile(join(folder, TAIL_START), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    if ((await fileSize(join(folder, TAIL))) !== undefined) throw tarNotKept(diffId);
    return undefined;
  }
}
