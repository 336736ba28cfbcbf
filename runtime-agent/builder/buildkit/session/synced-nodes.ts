import type { TreeEntry } from '../../context/file-tree.ts';
import { byteText, nameOf, parentOf } from '../../context/tree-paths.ts';
import type { FileIndex, IndexedFile } from './file-index.ts';
import { fileKind, permissions } from './file-mode.ts';

export interface SyncedNode {
  readonly entry: TreeEntry;
  /** SHA-256 of the content, in hex, of a file. */
  readonly digest: string | undefined;
  readonly xattrs: IndexedFile['xattrs'];
}

/** Clients send nothing about the folder itself; like all their files, it belongs to root. */
const ROOT: SyncedNode = {
  entry: { path: '', kind: 'folder', mode: 0o755, uid: 0, gid: 0, mtime: 0 },
  digest: undefined,
  xattrs: undefined,
};

/** The entries of a client's folder, by paths in the form of trees. */
export class SyncedNodes {
  readonly #nodes = new Map<string, SyncedNode>([['', ROOT]]);
  readonly #children = new Map<string, string[]>();

  constructor(index: FileIndex) {
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
    this.#markNames(index.keys(), index);
  }

  get(path: string): SyncedNode | undefined {
    return this.#nodes.get(path);
  }

  children(path: string): readonly string[] {
    return this.#children.get(path) ?? [];
  }

  /** Updates files that stay: no name is new or removed. */
  update(paths: ReadonlySet<string>, index: FileIndex): void {
    for (const path of paths) {
      const file = index.get(path);
      const node = file && nodeOf(byteText(path), file, index);
      if (node !== undefined) this.#nodes.set(node.entry.path, node);
    }
    this.#markNames(paths, index);
  }

  /** Marks the first name of a file that has several. */
  #markNames(paths: Iterable<string>, index: FileIndex): void {
    for (const path of paths) {
      const file = index.get(path);
      if (file === undefined || file.link === '' || fileKind(file.mode) !== 'file') continue;
      const first = this.#nodes.get(byteText(file.link));
      if (first?.entry.kind !== 'file') continue;
      this.#nodes.set(first.entry.path, { ...first, entry: { ...first.entry, inode: first.entry.path } });
    }
  }
}

/** Returns undefined for skipped kinds: sockets, pipes and devices. */
function nodeOf(path: string, file: IndexedFile, index: FileIndex): SyncedNode | undefined {
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
      const inode = file.link === '' ? {} : { inode: byteText(file.link) };
      const entry = { ...common, kind: 'file', size: first?.size ?? 0, ...inode } as const;
      return { entry, digest: first?.digest, xattrs };
    }
    case 'other':
      return undefined;
  }
}
