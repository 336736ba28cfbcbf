import { join } from 'node:path';
import { EngineError } from '../../../errors.ts';
import type { FileEntry, FileTree, TreeEntry } from '../../context/file-tree.ts';
import { readPieces } from '../../context/read-pieces.ts';
import { byteText, nameOf, parentOf, shownPath } from '../../context/tree-paths.ts';
import type { FileIndex, IndexedFile } from './file-index.ts';
import { fileKind, permissions } from './file-mode.ts';

interface Node {
  readonly entry: TreeEntry;
  readonly digest: string | undefined;
  readonly xattrs: IndexedFile['xattrs'];
}

/** A client's folder as it was received: what stands where, and what is in it, is known without looking at the disk. */
export class SyncedTree implements FileTree {
  readonly #root: string;
  readonly #release: () => Promise<void>;
  readonly #nodes = new Map<string, Node>([['', ROOT]]);
  readonly #children = new Map<string, string[]>();

  constructor(root: string, index: FileIndex, release: () => Promise<void>) {
    this.#root = root;
    this.#release = release;
    for (const [path, file] of index) {
      const node = nodeOf(byteText(path), file, index);
      if (node === undefined) continue;
      this.#nodes.set(node.entry.path, node);
      const folder = parentOf(node.entry.path);
      const names = this.#children.get(folder);
      if (names === undefined) this.#children.set(folder, [nameOf(node.entry.path)]);
      else names.push(nameOf(node.entry.path));
    }
    for (const names of this.#children.values()) names.sort();
  }

  async entry(path: string): Promise<TreeEntry | undefined> {
    return this.#nodes.get(path)?.entry;
  }

  async children(path: string): Promise<readonly string[]> {
    return this.#children.get(path) ?? [];
  }

  read(file: FileEntry): AsyncIterable<Uint8Array> {
    return readPieces(join(this.#root, shownPath(file.path)), file.size);
  }

  async contentDigest(file: FileEntry): Promise<string> {
    const digest = this.#nodes.get(file.path)?.digest;
    if (digest === undefined)
      throw new EngineError('runtime', `${shownPath(file.path)} is no file of this context`);
    return digest;
  }

  async xattrs(path: string): Promise<ReadonlyMap<string, string>> {
    const xattrs = Object.entries(this.#nodes.get(path)?.xattrs ?? {});
    return new Map(xattrs.map(([name, value]) => [name, Buffer.from(value, 'base64').toString('latin1')]));
  }

  async folder(): Promise<string> {
    return this.#root;
  }

  async release(): Promise<void> {
    await this.#release();
  }
}

/** Clients say nothing of the folder itself; as everything that they send it is root's. */
const ROOT: Node = {
  entry: { path: '', kind: 'folder', mode: 0o755, uid: 0, gid: 0, mtime: 0 },
  digest: undefined,
  xattrs: undefined,
};

/** Undefined for what is not received: sockets, pipes and devices. */
function nodeOf(path: string, file: IndexedFile, index: FileIndex): Node | undefined {
  const common = {
    path,
    mode: permissions(file.mode),
    uid: 0,
    gid: 0,
    mtime: Number(BigInt(file.modified) / 1_000_000_000n),
  };
  const { xattrs } = file;
  switch (fileKind(file.mode)) {
    case 'directory':
      return { entry: { ...common, kind: 'folder' }, digest: undefined, xattrs };
    case 'symlink':
      return {
        entry: { ...common, kind: 'symlink', target: byteText(file.link) },
        digest: undefined,
        xattrs,
      };
    case 'file': {
      const first = file.link === '' ? file : index.get(file.link);
      return { entry: { ...common, kind: 'file', size: first?.size ?? 0 }, digest: first?.digest, xattrs };
    }
    case 'other':
      return undefined;
  }
}
