import { hasValidChecksum } from '../../../lib/tar/tar-header.ts';
import { storageFull } from '../../storage-full.ts';
import { COMPRESSION_HEAD, compressionOf, decompressStream } from '../../trees/decompress-stream.ts';
import { ArchiveTree } from './archive-tree.ts';
import type { FileEntry, FileTree } from './file-tree.ts';
import { type ArchiveLimits, receiveArchive } from './receive-archive.ts';
import { openSpool } from './spool.ts';

/** Where what is unpacked lies meanwhile, and how large it may be. */
export interface UnpackOptions {
  readonly directory: string;
  readonly limits: ArchiveLimits;
}

const BLOCK = 512;

/** Whether a file is a tar, as it is or compressed, so that ADD unpacks it. A name says nothing. */
export async function isArchive(tree: FileTree, file: FileEntry, signal: AbortSignal): Promise<boolean> {
  if (file.size < COMPRESSION_HEAD) return false;
  const head = await beginning(tree.read(file), BLOCK);
  if (compressionOf(head) === undefined) return isTarHeader(head);
  try {
    return isTarHeader(await beginning(decompressStream(tree.read(file), signal), BLOCK));
  } catch {
    // Damaged, or compressed and no tar: it is copied as it is.
    signal.throwIfAborted();
    return false;
  }
}

/** The files of an archive. Throws EngineError 'bad-request' for a damaged one, or one that is larger than the limits. */
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
