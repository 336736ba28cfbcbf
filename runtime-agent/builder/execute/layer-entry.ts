import type { FileEntry, FileTree } from '../context/file-tree.ts';

interface CommonFields {
  /** Without a slash at the beginning; each character is one byte. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly xattrs: ReadonlyMap<string, string>;
}

/** What a layer that is made of a COPY holds at one path. */
export type LayerEntry = CommonFields &
  (
    | { readonly kind: 'file'; readonly tree: FileTree; readonly file: FileEntry }
    | { readonly kind: 'document'; readonly content: Buffer }
    | { readonly kind: 'folder' | 'fifo' }
    | { readonly kind: 'symlink'; readonly target: string }
    /** A further name of the file at `target`, which comes before it. */
    | { readonly kind: 'hardlink'; readonly target: string }
    | { readonly kind: 'char' | 'block'; readonly major: number; readonly minor: number }
  );
