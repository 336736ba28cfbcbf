import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../../storage/oci/digest.ts';
import { EngineError } from '../../errors.ts';
import { removeTree } from '../../linux/remove-tree.ts';
import type { CheckedTar } from '../layer-tar.ts';
import { encodeFolders } from '../tar-header.ts';
import { Extraction } from '../unpacked/extraction.ts';
import { indexTar, packTree } from './erofs-image.ts';
import { INDEX, TAIL, TAIL_START, TAR, WHOLE } from './layer-files.ts';

/**
 * Makes what a layer is mounted from, beside its tar: an index over the tar, or for the rare layer that mkfs.erofs does
 * not take or would read otherwise than others do, an image of the unpacked tree. Throws EngineError 'bad-request' for a
 * layer that cannot be unpacked either.
 */
export async function indexLayer(
  folder: string,
  tar: FileHandle,
  received: CheckedTar,
  signal: AbortSignal,
): Promise<void> {
  const { diffId } = received;
  if (!received.isIrregular) {
    await completeTar(folder, tar, received);
    try {
      await indexTar({ diffId, tar: join(folder, TAR), image: join(folder, INDEX), signal });
      return;
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== 'bad-request') throw error;
      await rm(join(folder, INDEX), { force: true });
    }
  }
  const tree = join(folder, 'tree');
  await unpack(join(folder, TAR), tree, diffId, signal);
  await packTree({ diffId, tree, image: join(folder, WHOLE), signal });
  await removeTree(tree);
}

/**
 * mkfs.erofs needs the end mark and opens folders without an entry to everybody (mode 0777): they get entries of their
 * own. TAIL keeps the bytes that stood there, for whoever needs the tar as it came.
 */
async function completeTar(folder: string, tar: FileHandle, received: CheckedTar): Promise<void> {
  const folders = received.impliedFolders;
  if (folders.length === 0 && received.hasEndMark) return;
  const tail = Buffer.alloc(received.size - received.entriesEnd);
  await tar.read(tail, 0, tail.length, received.entriesEnd);
  await writeFile(join(folder, TAIL_START), `${received.entriesEnd}`, { mode: 0o600, flush: true });
  await writeFile(join(folder, TAIL), tail, { mode: 0o600, flush: true });
  const addition = encodeFolders(folders);
  await tar.write(addition, 0, addition.length, received.entriesEnd);
}

async function unpack(tar: string, tree: string, diffId: Digest, signal: AbortSignal): Promise<void> {
  await mkdir(tree, { mode: 0o755 });
  const extraction = new Extraction(diffId, tree);
  try {
    for await (const chunk of createReadStream(tar, { signal, highWaterMark: 1 << 20 })) {
      await extraction.write(chunk as Buffer);
    }
    await extraction.finish();
  } finally {
    await extraction.stop();
  }
}
