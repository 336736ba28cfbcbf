import type { LayerNode } from '../layer-tree.ts';
import {
  BLOCK,
  encodeFolder,
  encodeHead,
  encodeInode,
  FIRST_INODE,
  type FolderEntry,
  folderSize,
  INODE_SIZE,
  inodeSize,
  type Placement,
  roundUp,
  SLOT,
} from './erofs-format.ts';

/** A node, once for all its names, with the fields of its inode. A layer may have two million of them. */
interface Placed extends Placement {
  readonly node: LayerNode;
  readonly number: number;
  readonly parent: LayerNode;
  readonly contentSize: number;
  /** For folders: with `.` and `..`, sorted by bytes. */
  readonly names: readonly string[];
}

const NO_NAMES: readonly string[] = [];

/** Bytes that are buffered before they are written. */
const GATHERED = 1 << 20;

/**
 * Writes an EROFS image of a layer's tree whose file bodies are in the tar (`tarSize` bytes), its second device. The
 * same tree and `uuid` (16 bytes) give the same bytes, which are yielded in order.
 */
export function* writeIndex(root: LayerNode, tarSize: number, uuid: Buffer): Generator<Buffer> {
  const { placed, blocks } = place(root);
  const head = encodeHead({
    uuid,
    rootPosition: placed.get(root)?.position ?? FIRST_INODE,
    inodes: placed.size,
    blocks,
    tarBlocks: Math.ceil(tarSize / BLOCK),
  });
  const output = new Gatherer();
  yield* output.moveTo(0, head.length);
  head.copy(output.buffer, output.offset);
  for (const each of placed.values()) {
    const { node, position, content, contentSize } = each;
    const size = inodeSize(node);
    const inline = content === 'inline' && hasContent(node) ? contentSize : 0;
    yield* output.moveTo(position, size + inline);
    encodeInode(node, { ...each, links: linksOf(node) }, output.buffer, output.offset);
    if (inline > 0) writeContent(each, placed, output.buffer, output.offset + size);
  }
  for (const each of placed.values()) {
    if (each.content === 'inline') continue;
    yield* output.moveTo(each.content.block * BLOCK, each.contentSize);
    writeContent(each, placed, output.buffer, output.offset);
  }
  yield* output.moveTo(blocks * BLOCK, 0);
  yield* output.end();
}

/** Places all nodes, those of one folder next to each other. */
function place(root: LayerNode): {
  readonly placed: ReadonlyMap<LayerNode, Placed>;
  readonly blocks: number;
} {
  const placed = new Map<LayerNode, Placed>();
  const apart: Placed[] = [];
  let end = FIRST_INODE;
  const put = (node: LayerNode, parent: LayerNode) => {
    const names = node.kind === 'folder' ? sortedNames(node) : NO_NAMES;
    const contentSize = node.kind === 'folder' ? folderSize(names) : node.size;
    const size = inodeSize(node);
    const isInline = !hasContent(node) || size + contentSize <= BLOCK;
    const needed = hasContent(node) && isInline ? size + contentSize : size;
    // Neither the inode nor inline content may cross a block boundary.
    const left = BLOCK - (end % BLOCK);
    if (left < (needed <= BLOCK ? needed : INODE_SIZE)) end += left;
    const number = placed.size + 1;
    const entry: Placed = { node, parent, number, position: end, contentSize, names, content: 'inline' };
    placed.set(node, entry);
    if (!isInline) apart.push(entry);
    end = roundUp(end + needed, SLOT);
  };
  put(root, root);
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const child of folder.children?.values() ?? []) {
      if (placed.has(child)) continue;
      put(child, folder);
      if (child.kind === 'folder') folders.push(child);
    }
  }
  let block = Math.ceil(end / BLOCK);
  for (const entry of apart) {
    placed.set(entry.node, { ...entry, content: { block } });
    block += Math.ceil(entry.contentSize / BLOCK);
  }
  return { placed, blocks: block };
}

function sortedNames({ children }: LayerNode): readonly string[] {
  return ['.', '..', ...(children?.keys() ?? [])].sort();
}

function linksOf({ kind, names, children }: LayerNode): number {
  if (kind !== 'folder') return names;
  let folders = 0;
  for (const child of children?.values() ?? []) if (child.kind === 'folder') folders += 1;
  return 2 + folders;
}

/** Reports whether a node has content in the image: bodies of files are in the tar. */
function hasContent({ kind }: LayerNode): boolean {
  return kind === 'folder' || kind === 'symlink';
}

function writeContent(
  { node, parent, names }: Placed,
  placed: ReadonlyMap<LayerNode, Placed>,
  into: Buffer,
  at: number,
): void {
  if (node.kind === 'symlink') {
    into.write(node.target, at, 'latin1');
    return;
  }
  const entries = names.map((name): FolderEntry => {
    const named = name === '.' ? node : name === '..' ? parent : node.children?.get(name);
    const position = named === undefined ? undefined : placed.get(named)?.position;
    if (named === undefined || position === undefined) throw new Error('a name of a folder has no place');
    return { name, position, kind: named.kind };
  });
  encodeFolder(entries, into, at);
}

/** Gathers small parts, with zeros between them. Its buffer is reused when the next chunk is requested. */
class Gatherer {
  buffer: Buffer = Buffer.alloc(GATHERED);
  /** Offset of the current part in the buffer. */
  offset = 0;
  #start = 0;
  #end = 0;

  /** Begins a part after all others; the buffer then contains zeros for it. */
  *moveTo(position: number, length: number): Generator<Buffer> {
    if (position < this.#end) throw new Error('parts of an index overlap');
    if (position + length > this.#start + this.buffer.length) {
      yield* this.end();
      if (position + length > this.#start + this.buffer.length) {
        this.buffer = Buffer.alloc(position + length - this.#start);
      }
    }
    this.offset = position - this.#start;
    this.#end = position + length;
  }

  *end(): Generator<Buffer> {
    const length = this.#end - this.#start;
    if (length === 0) return;
    yield this.buffer.subarray(0, length);
    this.#start = this.#end;
    this.buffer.fill(0, 0, length);
  }
}
