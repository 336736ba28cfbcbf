import { hasValidChecksum } from '../../../lib/tar/tar-header.ts';
import { storageFull } from '../../storage-full.ts';
import { COMPRESSION_HEAD, compressionOf, decompressStream } from '../../trees/decompress-stream.ts';
import { ArchiveTree } from './archive-tree.ts';
import type { FileEntry, FileTree } from './file-tree.ts';
import { type ArchiveLimits, receiveArchive } from './receive-archive.ts';
import { openSpool } from './spool.ts';

/** Folder for unpacked content, and its limits. */
export interface UnpackOptions {
  readonly directory: string;
  readonly limits: ArchiveLimits;
}

const BLOCK = 512;

/** Reports whether a file is a tar, plain or compressed, so that ADD unpacks it. Its name does not matter. */
export async function isArchive(tree: FileTree, file: FileEntry, signal: AbortSignal): Promise<boolean> {
  if (file.size < COMPRESSION_HEAD) return false;
  const head = await beginning(tree.read(file), BLOCK);
  if (compressionOf(head) === undefined) return isTarHeader(head);
  try {
    return isTarHeader(await beginning(decompressStream(tree.read(file), signal), BLOCK));
  } catch {
    // Damaged, or compressed but not a tar: it is copied unchanged.
    signal.throwIfAborted();
    return false;
  }
}

/** Unpacks an archive. Throws EngineError 'bad-request' for a damaged one, or beyond the limits. */
export async function unpackArchive(
  tree: FileTree,
  file: FileEntry,
  options: UnpackOptions,
  signal: AbortSignal,
): Promise<FileTree> {
  const spool = await openSpool(options.directory);
  try {
    const tar = decompressStream(tree.read(file), signal);
    return new ArchiveTree(await receiveArchive(tar, spool, options.limits, signal), spool);
  } catch (error) {
    await spool.close();
    throw storageFull(error) ?? error;
  }
}

async function beginning(content: AsyncIterable<Uint8Array>, length: number): Promise<Buffer> {
  let head = Buffer.alloc(0);
  for await (const chunk of content) {
    head = Buffer.concat([head, chunk]);
    if (head.length >= length) break;
  }
  return head.subarray(0, length);
}

function isTarHeader(block: Buffer): boolean {
  return block.length >= BLOCK && hasValidChecksum(block);
}
