import type { FileHandle } from 'node:fs/promises';
import type { FileEntry, FileTree, TreeEntry } from './file-tree.ts';
import { nameOf, parentOf } from './tree-paths.ts';

/** Position and digest of a file's content in the spool. */
export interface Content {
  readonly offset: number;
  readonly digest: string;
}

export interface ArchiveNode {
  readonly entry: TreeEntry;
  /** For files. */
  readonly content?: Content;
  readonly xattrs: ReadonlyMap<string, string>;
}

const CHUNK = 1 << 20;
const NOTHING: ReadonlyMap<string, string> = new Map();

/**
 * A tree whose names are in memory, and whose contents are concatenated in `spool`, which is released with the tree.
 */
export class ArchiveTree implements FileTree {
  readonly #nodes: ReadonlyMap<string, ArchiveNode>;
  readonly #children = new Map<string, string[]>();
  readonly #spool: FileHandle;
  /** The last buffer read from the spool; it is never reused, so readers may keep parts of it. */
  #ahead: { readonly start: number; readonly bytes: Buffer } = { start: 0, bytes: Buffer.alloc(0) };

  constructor(nodes: ReadonlyMap<string, ArchiveNode>, spool: FileHandle) {
    this.#nodes = nodes;
    this.#spool = spool;
    for (const path of nodes.keys()) {
      if (path === '') continue;
      const folder = parentOf(path);
      const names = this.#children.get(folder);
      if (names === undefined) this.#children.set(folder, [nameOf(path)]);
      else names.push(nameOf(path));
    }
    for (const names of this.#children.values()) names.sort();
  }

  async entry(path: string): Promise<TreeEntry | undefined> {
    return this.#nodes.get(path)?.entry;
  }

  async children(path: string): Promise<readonly string[]> {
    return this.#children.get(path) ?? [];
  }

  async *read(file: FileEntry): AsyncGenerator<Uint8Array> {
    const { offset } = this.#content(file);
    if (file.size === 0) return;
    if (file.size < CHUNK / 4) {
      yield await this.#readSmall(offset, file.size);
      return;
    }
    for (let at = 0; at < file.size; at += CHUNK) {
      yield await this.#readSpool(offset + at, Math.min(CHUNK, file.size - at), 'all');
    }
  }

  async contentDigest(file: FileEntry): Promise<string> {
    return this.#content(file).digest;
  }

  async xattrs(path: string): Promise<ReadonlyMap<string, string>> {
    return this.#nodes.get(path)?.xattrs ?? NOTHING;
  }

  async release(): Promise<void> {
    await this.#spool.close();
  }

  /** Small files are mostly read in order, so this reads ahead. */
  async #readSmall(offset: number, size: number): Promise<Buffer> {
    const { start, bytes } = this.#ahead;
    const within = offset - start;
    if (within >= 0 && within + size <= bytes.length) return bytes.subarray(within, within + size);
    const read = await this.#readSpool(offset, CHUNK, size);
    this.#ahead = { start: offset, bytes: read };
    return read.subarray(0, size);
  }

  /** Reads up to `length` bytes, of which `needed` must exist. */
  async #readSpool(offset: number, length: number, needed: number | 'all'): Promise<Buffer> {
    const { bytesRead, buffer } = await this.#spool.read(Buffer.allocUnsafeSlow(length), 0, length, offset);
    if (bytesRead < (needed === 'all' ? length : needed))
      throw new Error('the received part of an archive was truncated');
    return buffer.subarray(0, bytesRead);
  }

  #content(file: FileEntry): Content {
    const content = this.#nodes.get(file.path)?.content;
    if (content === undefined) throw new TypeError(`${file.path} is not a file of this archive`);
    return content;
  }
}
