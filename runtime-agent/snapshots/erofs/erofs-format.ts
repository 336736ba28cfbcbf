import type { LayerNode } from '../layer-tree.ts';

/**
 * The parts of EROFS that an index over a tar needs (Linux, fs/erofs/erofs_fs.h): little endian, in blocks of 512 bytes
 * like those of tars, so that each file body begins on a block. All inodes have the extended form.
 */

export const BLOCK = 512;
const BLOCK_BITS = 9;
export const SLOT = 32;
export const INODE_SIZE = 64;
const SUPERBLOCK = 1024;
const DEVICE_SLOT = 1152;
const DEVICE_SLOT_SIZE = 128;
/** First possible position of an inode. */
export const FIRST_INODE: number = DEVICE_SLOT + DEVICE_SLOT_SIZE;
const CHUNK_INDEX_SIZE = 8;
const DIRENT_SIZE = 12;
const MAGIC = 0xe0f5e1e2;
const HAS_MTIME = 0x2;
const CHUNKED_FILE = 0x4;
const DEVICE_TABLE = 0x8;
const CHUNK_INDEXES = 0x20;
const XATTR_HEADER = 12;
const OPAQUE = ['trusted.overlay.opaque', 'y'] as const;
/** With it overlay omits whiteouts when it lists a folder that only this layer has. */
const ORIGIN = ['trusted.overlay.origin', ''] as const;

const LAYOUT = { plain: 0, inline: 2, chunks: 4 } as const;

const TYPES = {
  file: { mode: 0o100_000, entry: 1 },
  folder: { mode: 0o040000, entry: 2 },
  char: { mode: 0o020000, entry: 3 },
  block: { mode: 0o060000, entry: 4 },
  fifo: { mode: 0o010000, entry: 5 },
  symlink: { mode: 0o120000, entry: 7 },
} as const satisfies Record<LayerNode['kind'], { readonly mode: number; readonly entry: number }>;

/** Prefixes of xattr names, which are stored as an index. The longer ones come first. */
const XATTR_PREFIXES = [
  { prefix: 'system.posix_acl_access', index: 2 },
  { prefix: 'system.posix_acl_default', index: 3 },
  { prefix: 'security.', index: 6 },
  { prefix: 'trusted.', index: 4 },
  { prefix: 'user.', index: 1 },
];

/** The position of a node's parts. */
export interface Placement {
  /** Position of the inode, in bytes; a multiple of SLOT. */
  readonly position: number;
  /** Position of the content of folders and symlinks: after the inode, or in separate blocks from this one on. */
  readonly content: 'inline' | { readonly block: number };
}

/** Fields of an inode in addition to those of its node. */
export interface InodeFacts extends Placement {
  /** Its number among the inodes. */
  readonly number: number;
  readonly links: number;
  readonly contentSize: number;
}

/** Encodes the head of the image, up to FIRST_INODE. `tarBlocks` is rounded up. */
export function encodeHead(image: {
  readonly uuid: Buffer;
  /** Position of the root's inode, which precedes all others. */
  readonly rootPosition: number;
  readonly inodes: number;
  readonly blocks: number;
  readonly tarBlocks: number;
}): Buffer {
  const head = Buffer.alloc(FIRST_INODE);
  const superblock = head.subarray(SUPERBLOCK);
  superblock.writeUInt32LE(MAGIC, 0);
  superblock.writeUInt32LE(HAS_MTIME, 8);
  superblock.writeUInt8(BLOCK_BITS, 12);
  superblock.writeUInt16LE(image.rootPosition / SLOT, 14);
  superblock.writeBigUInt64LE(BigInt(image.inodes), 16);
  superblock.writeUInt32LE(image.blocks, 36);
  image.uuid.copy(superblock, 48, 0, 16);
  superblock.writeUInt32LE(CHUNKED_FILE | DEVICE_TABLE, 80);
  superblock.writeUInt16LE(1, 86);
  superblock.writeUInt16LE(DEVICE_SLOT / DEVICE_SLOT_SIZE, 88);
  head.writeUInt32LE(image.tarBlocks, DEVICE_SLOT + 64);
  return head;
}

/** Returns the bytes of the inode with its xattrs, and with the location of a file's body. */
export function inodeSize(node: LayerNode): number {
  const size = INODE_SIZE + xattrsSize(node);
  return node.kind === 'file' && node.size > 0 ? roundUp(size, CHUNK_INDEX_SIZE) + CHUNK_INDEX_SIZE : size;
}

/** Encodes the inode, inodeSize bytes, over zeros. */
export function encodeInode(
  node: LayerNode,
  { number, links, content, contentSize }: InodeFacts,
  into: Buffer,
  at: number,
): void {
  const type = TYPES[node.kind];
  const xattrs = xattrsSize(node);
  if (xattrs > 0) {
    into.writeUInt16LE((xattrs - XATTR_HEADER) / 4 + 1, at + 2);
    writeXattrs(xattrsOf(node), into, at + INODE_SIZE + XATTR_HEADER);
  }
  into.writeUInt16LE(type.mode | node.mode, at + 4);
  into.writeUInt32LE(number, at + 20);
  into.writeUInt32LE(node.uid, at + 24);
  into.writeUInt32LE(node.gid, at + 28);
  writeInt64(into, node.mtime, at + 32);
  into.writeUInt32LE(node.mtimeNanoseconds, at + 40);
  into.writeUInt32LE(links, at + 44);
  let layout: number = LAYOUT.plain;
  if (node.kind === 'char' || node.kind === 'block') into.writeUInt32LE(deviceNumber(node), at + 16);
  else if (node.kind !== 'fifo') {
    writeInt64(into, contentSize, at + 8);
    if (node.kind === 'file' && node.size > 0) {
      layout = LAYOUT.chunks;
      // The body is one chunk, whose size is a power of two.
      const bits = Math.max(Math.ceil(Math.log2(node.size)), BLOCK_BITS);
      into.writeUInt16LE((bits - BLOCK_BITS) | CHUNK_INDEXES, at + 16);
      const indexAt = at + inodeSize(node) - CHUNK_INDEX_SIZE;
      into.writeUInt16LE(1, indexAt + 2);
      into.writeUInt32LE(node.bodyStart / BLOCK, indexAt + 4);
    } else if (content !== 'inline') into.writeUInt32LE(content.block, at + 16);
    else if (contentSize > 0) layout = LAYOUT.inline;
  }
  into.writeUInt16LE((layout << 1) | 1, at);
}

/** Returns the bytes of a folder's entries, whose names are sorted. */
export function folderSize(names: readonly string[]): number {
  let full = 0;
  let used = 0;
  for (const name of names) {
    const needed = DIRENT_SIZE + name.length;
    if (used + needed > BLOCK) {
      full += BLOCK;
      used = 0;
    }
    used += needed;
  }
  return full + used;
}

/** An entry of a folder. */
export interface FolderEntry {
  readonly name: string;
  /** Position of its inode. */
  readonly position: number;
  readonly kind: LayerNode['kind'];
}

/** Encodes a folder's sorted entries, in blocks that each begin with the heads and continue with the names. */
export function encodeFolder(entries: readonly FolderEntry[], into: Buffer, at: number): void {
  let start = at;
  for (let first = 0; first < entries.length; start += BLOCK) {
    let used = 0;
    let end = first;
    for (; end < entries.length; end += 1) {
      used += DIRENT_SIZE + (entries[end]?.name.length ?? 0);
      if (used > BLOCK) break;
    }
    let nameAt = (end - first) * DIRENT_SIZE;
    for (let headAt = start; first < end; first += 1, headAt += DIRENT_SIZE) {
      const entry = entries[first];
      if (entry === undefined) break;
      writeInt64(into, entry.position / SLOT, headAt);
      into.writeUInt16LE(nameAt, headAt + 8);
      into.writeUInt8(TYPES[entry.kind].entry, headAt + 10);
      into.write(entry.name, start + nameAt, 'latin1');
      nameAt += entry.name.length;
    }
  }
}

export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** Includes the attributes that tell overlay about deletions. */
function xattrsOf({ xattrs, isOpaque, hasWhiteouts }: LayerNode): readonly (readonly [string, string])[] {
  return [...xattrs, ...(isOpaque ? [OPAQUE] : []), ...(hasWhiteouts ? [ORIGIN] : [])];
}

function xattrsSize(node: LayerNode): number {
  if (node.xattrs.size === 0 && !node.isOpaque && !node.hasWhiteouts) return 0;
  return xattrsOf(node).reduce((size, [name, value]) => {
    return size + roundUp(4 + splitName(name).rest.length + value.length, 4);
  }, XATTR_HEADER);
}

function writeXattrs(xattrs: readonly (readonly [string, string])[], into: Buffer, start: number): void {
  let at = start;
  for (const [name, value] of xattrs) {
    const { index, rest } = splitName(name);
    into.writeUInt8(rest.length, at);
    into.writeUInt8(index, at + 1);
    into.writeUInt16LE(value.length, at + 2);
    into.write(rest, at + 4, 'latin1');
    into.write(value, at + 4 + rest.length, 'latin1');
    at += roundUp(4 + rest.length + value.length, 4);
  }
}

/** Writes a safe integer without allocating a bigint. */
function writeInt64(into: Buffer, value: number, at: number): void {
  const high = Math.floor(value / 2 ** 32);
  into.writeUInt32LE(value - high * 2 ** 32, at);
  into.writeInt32LE(high, at + 4);
}

function splitName(name: string): { readonly index: number; readonly rest: string } {
  const found = XATTR_PREFIXES.find(({ prefix }) => name.startsWith(prefix));
  if (found === undefined) throw new TypeError(`no index for the extended attribute ${name}`);
  return { index: found.index, rest: name.slice(found.prefix.length) };
}

/** Encodes a device number as Linux's new_encode_dev does. */
function deviceNumber({ major, minor }: LayerNode): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}
