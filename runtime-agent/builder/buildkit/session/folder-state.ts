import { DigestNotes } from '../../context/digest-notes.ts';
import { byteText } from '../../context/tree-paths.ts';
import type { FileIndex } from './file-index.ts';
import { fileKind } from './file-mode.ts';
import type { Listing } from './listing.ts';
import { SyncedNodes } from './synced-nodes.ts';

/** A client's folder as one build has received it, with facts that were computed about it. */
export class FolderState {
  /** In the order in which the client lists them. */
  readonly files: FileIndex;
  /** The client's messages about the files, in the same order; undefined if they came before the agent last started. */
  readonly listing: Listing | undefined;
  readonly notes: DigestNotes;
  #nodes: SyncedNodes | undefined;
  #paths: readonly string[] | undefined;

  constructor(files: FileIndex, listing?: Listing, notes = new DigestNotes()) {
    this.files = files;
    this.listing = listing;
    this.notes = notes;
  }

  get nodes(): SyncedNodes {
    this.#nodes ??= new SyncedNodes(this.files);
    return this.#nodes;
  }

  get paths(): readonly string[] {
    this.#paths ??= [...this.files.keys()];
    return this.#paths;
  }

  /**
   * Returns the successor of this state, which is then invalid: `changed` are the paths that differ, are new or were
   * removed.
   */
  after(changed: ReadonlySet<string>, files: FileIndex, listing: Listing): FolderState {
    const next = new FolderState(files, listing, this.notes.after([...changed].map(byteText)));
    if ([...changed].every((path) => this.#isReceived(this.files, path) && this.#isReceived(files, path))) {
      this.#nodes?.update(changed, files);
      next.#nodes = this.#nodes;
    }
    return next;
  }

  #isReceived(files: FileIndex, path: string): boolean {
    const file = files.get(path);
    return file !== undefined && fileKind(file.mode) !== 'other';
  }
}
