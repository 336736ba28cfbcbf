import { EngineError } from '../../../errors.ts';
import type { DigestNotes } from '../../context/digest-notes.ts';
import type { FileEntry, FileTree, TreeEntry } from '../../context/file-tree.ts';
import { readPieces } from '../../context/read-pieces.ts';
import { shownPath } from '../../context/tree-paths.ts';
import type { FolderState } from './folder-state.ts';

/** A received client's folder: its entries and digests are known without reading the disk. */
export class SyncedTree implements FileTree {
  readonly #root: string;
  readonly #state: FolderState;
  readonly #release: () => Promise<void>;

  constructor(root: string, state: FolderState, release: () => Promise<void>) {
    this.#root = root;
    this.#state = state;
    this.#release = release;
  }

  get notes(): DigestNotes {
    return this.#state.notes;
  }

  async entry(path: string): Promise<TreeEntry | undefined> {
    return this.#state.nodes.get(path)?.entry;
  }

  async children(path: string): Promise<readonly string[]> {
    return this.#state.nodes.children(path);
  }

  read(file: FileEntry): AsyncIterable<Uint8Array> {
    const path = Buffer.from(`/${file.path}`, 'latin1');
    return readPieces(Buffer.concat([Buffer.from(this.#root), path]), file.size);
  }

  async contentDigest(file: FileEntry): Promise<string> {
    const digest = this.#state.nodes.get(file.path)?.digest;
    if (digest === undefined)
      throw new EngineError('runtime', `${shownPath(file.path)} is not a file of this context`);
    return digest;
  }

  async xattrs(path: string): Promise<ReadonlyMap<string, string>> {
    const xattrs = this.#state.nodes.get(path)?.xattrs;
    if (xattrs === undefined) return NO_XATTRS;
    const named = Object.entries(xattrs);
    return new Map(named.map(([name, value]) => [name, Buffer.from(value, 'base64').toString('latin1')]));
  }

  async folder(): Promise<string> {
    return this.#root;
  }

  async release(): Promise<void> {
    await this.#release();
  }
}

const NO_XATTRS: ReadonlyMap<string, string> = new Map();
