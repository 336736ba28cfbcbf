/** Files to read, named by paths with slashes below some root: a folder, or the keys of a bucket. */
export interface ReadOnlyTree {
  /** The names directly below a folder, in no order; none when it is not there. */
  list(folder: string, signal: AbortSignal): AsyncIterable<TreeEntry>;
  /** A file of at most `limit` bytes; undefined when it is not there. Throws SourceContentError when it is larger. */
  read(file: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined>;
  /** The bytes of a file as they come. Throws SourceContentError before the first when it is not there. */
  stream(file: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface TreeEntry {
  readonly name: string;
  readonly isFolder: boolean;
}
