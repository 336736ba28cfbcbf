/** A part of a tree for a tar. Paths are UTF-8 text without a slash at their ends; `''` is the tree's own folder. */
export interface TreeMember {
  /** Path in the folder. It must not pass through a symlink; if it ends at one, the symlink itself is archived. */
  readonly source: string;
  /**
   * Path of its entry in the tar, such as `/` of a whole tree. `''` includes only the folder's content, without an
   * entry of its own.
   */
  readonly target: string;
  /** Whether a folder's content is included. */
  readonly recursive: boolean;
}

/** A request for the tar of a tree. */
export interface TreeTarRequest {
  /**
   * The tree: an absolute path, which may pass through symlinks, or the descriptor of an open folder, which the caller
   * owns and must keep open until the tar has ended.
   */
  readonly folder: string | number;
  /** In this order; within each, depth first and sorted by bytes. By default the whole folder. */
  readonly members?: readonly TreeMember[];
  /**
   * Converts overlay's marks to those of a layer (image-spec, layer.md, "Whiteouts"), for the upper folder of an
   * overlay. `base`, the absolute path of a lower tree, suppresses marks that would hide nothing.
   */
  readonly overlay?: {
    readonly base?: string;
    /** Mount points: empty entries there that are not in `base` are omitted. */
    readonly leftOut?: readonly string[];
  };
  /** Owner of every entry, in place of its own. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Permission bits of every entry except symlinks, in place of its own. */
  readonly mode?: number;
  /** Maximum modification time, seconds since 1970; later ones become this one (SOURCE_DATE_EPOCH). */
  readonly latest?: number;
}

/** The upper folder of an overlay, and a tree of the layers below. Absolute paths. */
export interface UpperRequest {
  readonly upper: string;
  readonly base: string;
  /** As in TreeTarRequest. */
  readonly leftOut?: readonly string[];
}

/** A path that differs from the layers below, absolute. */
export interface UpperChange {
  readonly path: string;
  readonly kind: 'added' | 'modified' | 'deleted';
}

/** A path to look up, as in `docker cp`. */
export interface LookUpRequest {
  /** Descriptor of the folder in which every link is resolved. */
  readonly root: number;
  readonly path: string;
  /** Whether the parent of the last name is opened for reading; the caller closes it. */
  readonly opensParent: boolean;
}

/** The file at a path. */
export interface FoundPath {
  /** The last name; '' if the path ends with `/` or `/.`. */
  readonly name: string;
  /** The name of the file in a tar. */
  readonly shown: string;
  /** As in stat(2); `mtime` in nanoseconds since 1970. */
  readonly mode: bigint;
  readonly size: number;
  readonly mtime: bigint;
  readonly isLink: boolean;
  /** The path after all links are followed; undefined for a loop of links. */
  readonly resolved: string | undefined;
  /** Like `resolved`, each character one byte; the path itself for a loop. */
  readonly resolvedBytes: string;
  readonly leadsToFolder: boolean;
  readonly parent?: number;
}

/** Reads trees that may change, or block their reader. */
export interface TreeTars {
  /**
   * Returns the tar of a tree as a stream. No symlink of the tree is followed, whatever changes meanwhile; entries that
   * disappear are omitted, a file that shrinks is filled with zeros. Sockets are omitted. Modification times are whole
   * seconds, as dockerd writes them. Reproducible. The descriptors of a partially read tar are closed with the
   * iterator. Throws EngineError 'bad-request' for entries that a tar cannot hold, Error with `code` (`ENOENT` for a
   * missing member), and the signal's reason.
   */
  read(request: TreeTarRequest, signal: AbortSignal): AsyncIterable<Uint8Array>;

  /**
   * Looks a path up, with every link resolved inside the root; undefined when it does not exist. Rejects as changes
   * does, and with `ENOTDIR` for a path through a file.
   */
  lookUp(request: LookUpRequest, signal: AbortSignal): Promise<FoundPath | undefined>;

  /**
   * Reads a file of a tree of at most `limit` bytes as text; '' if it is missing. Links are resolved inside `root`, a
   * descriptor.
   */
  readText(root: number, path: string, limit: number, signal: AbortSignal): Promise<string>;

  /**
   * Returns the bytes of the files of a tree, and of the targets of its symlinks; a file with two names counts once.
   * Rejects as changes does.
   */
  size(folder: string, signal: AbortSignal): Promise<number>;

  /**
   * Returns the changes of an upper folder, sorted by path. Rejects with Error with `code`, and with the signal's
   * reason.
   */
  changes(request: UpperRequest, signal: AbortSignal): Promise<readonly UpperChange[]>;
}
