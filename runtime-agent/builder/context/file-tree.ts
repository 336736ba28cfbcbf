import type { DigestNotes } from './digest-notes.ts';

interface CommonFields {
  /** Without a leading slash; '' is the root. Each character is one byte, whatever the encoding. */
  readonly path: string;
  /** Permission bits, with set-uid, set-gid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, with a fraction where the tree has one. */
  readonly mtime: number;
}

/** The entry at a path of a tree. */
export type TreeEntry = CommonFields &
  (
    | {
        readonly kind: 'file';
        readonly size: number;
        /** The same for all names of one file; absent if it has one name. */
        readonly inode?: string;
      }
    | { readonly kind: 'folder' }
    | { readonly kind: 'symlink'; readonly target: string }
    | { readonly kind: 'char' | 'block'; readonly major: number; readonly minor: number }
    | { readonly kind: 'fifo' }
  );

export type FileEntry = Extract<TreeEntry, { readonly kind: 'file' }>;

/**
 * Files that a build reads and nobody changes meanwhile: a context, a stage, an image. No call follows links; paths are
 * as in TreeEntry.
 */
export interface FileTree {
  /** Known digests of these files; undefined for a tree that is used only once. */
  readonly notes?: DigestNotes | undefined;
  /** Returns undefined if nothing exists there. */
  entry(path: string): Promise<TreeEntry | undefined>;
  /** Lists the names in a folder, sorted by bytes; empty if it is not a folder. */
  children(path: string): Promise<readonly string[]>;
  /** The content of a file. */
  read(file: FileEntry): AsyncIterable<Uint8Array>;
  /** SHA-256 of a file's content, in hex. */
  contentDigest(file: FileEntry, signal: AbortSignal): Promise<string>;
  /** Attributes other than the mode, such as security.capability; values have one character per byte. */
  xattrs(path: string): Promise<ReadonlyMap<string, string>>;
  release(): Promise<void>;
}
