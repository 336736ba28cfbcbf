import type { FileHandle } from 'node:fs/promises';
import type { FileEntry, FileTree, TreeEntry } from './file-tree.ts';
import { joinPath, nameOf, parentOf } from './tree-paths.ts';

/** Where the content of a file lies in the spool, and what it is. */
export interface Content {
  readonly offset: number;
  readonly digest: string;
}

export interface ArchiveNode {
  readonly entry: TreeEntry;
  /** Of files. */
  readonly content?: Content;
  readonly xattrs: ReadonlyMap<string, string>;
}

const CHUNK = 1 << 20;
const NOTHING: ReadonlyMap<string, string> = new Map();

/** Files whose names are in memory, and whose contents lie one after the other in `spool`, which goes with the tree. */
export class ArchiveTree implements FileTree {
  readonly #nodes: ReadonlyMap<string, ArchiveNode>;
  readonly #children = new Map<string, string[]>();
  readonly #spool: FileHandle;

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
    const offset = this.#content(file).offset;
    for (let at = 0; at < file.size; at += CHUNK) {
      const length = Math.min(CHUNK, file.size - at);
      const { bytesRead, buffer } = await this.#spool.read(
        Buffer.allocUnsafeSlow(length),
        0,
        length,
        offset + at,
      );
      if (bytesRead !== length)
        throw new Error(`the context's file ${joinPath('', file.path)} was cut short`);
      yield buffer;
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

  #content(file: FileEntry): Content {
    const content = this.#nodes.get(file.path)?.content;
    if (content === undefined) throw new TypeError(`${file.path} is no file of this archive`);
    return content;
  }
}
