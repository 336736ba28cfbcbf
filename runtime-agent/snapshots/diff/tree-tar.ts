/**
 * A part of a tree that goes into a tar. Paths are text in UTF-8 without a slash at their ends; `''` is the tree's own
 * folder.
 */
export interface TreeMember {
  /** Path in the folder. It may not lead through a symlink; one at its end is taken as a symlink. */
  readonly source: string;
  /** Path of its entry in the tar, such as `/` of a whole tree. `''` gives no entry of its own: only what is in the folder. */
  readonly target: string;
  /** Whether all below a folder comes with it. */
  readonly recursive: boolean;
}

/** Which tar is made of which tree. */
export interface TreeTarRequest {
  /**
   * The tree: an absolute path, which may lead through symlinks, or the descriptor of an open folder, which stays the
   * caller's and must stay open until the tar has ended.
   */
  readonly folder: string | number;
  /** In this order; within each, depth first and sorted by bytes. Without it all that is in the folder. */
  readonly members?: readonly TreeMember[];
  /**
   * Overlay's marks become those of a layer (image-spec, layer.md, "Whiteouts"), for the upper folder of an overlay.
   * `base`, the absolute path of a tree of the layers below, leaves marks out that would hide nothing.
   */
  readonly overlay?: {
    readonly base?: string;
    /** Paths at which something was mounted: what is empty there, and not in `base`, is left out. */
    readonly leftOut?: readonly string[];
  };
  /** Given to every entry in place of its own. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Permission bits for every entry but symlinks, in place of its own. */
  readonly mode?: number;
  /** Seconds since 1970: a later modification time becomes this one (SOURCE_DATE_EPOCH). */
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

/** A path that is to be looked up, as `docker cp` means it. */
export interface LookUpRequest {
  /** Descriptor of the folder in which every link is resolved. */
  readonly root: number;
  readonly path: string;
  /** Whether the folder that the last name lies in is opened for reading, at the caller's cost. */
  readonly opensParent: boolean;
}

/** What a path names. */
export interface FoundPath {
  /** The last name; '' where the path ends with `/` or `/.`. */
  readonly name: string;
  /** What the file is called in a tar. */
  readonly shown: string;
  /** As stat(2) has them; `mtime` in nanoseconds since 1970. */
  readonly mode: bigint;
  readonly size: number;
  readonly mtime: bigint;
  readonly isLink: boolean;
  /** Where it leads when all links are followed; undefined for a loop of links. */
  readonly resolved: string | undefined;
  /** The same, each character one byte; the path itself for a loop. */
  readonly resolvedBytes: string;
  readonly leadsToFolder: boolean;
  readonly parent?: number;
}

/** Reads trees that may change, or keep whoever reads them waiting. */
export interface TreeTars {
  /**
   * The tar of a tree, as it is read. No symlink of the tree is followed, whatever changes while it is read; what goes
   * away meanwhile is left out, a file that shrinks is filled with zeros. Sockets are left out. Modification times are
   * whole seconds, as dockerd writes them. The same tree and request give the same bytes. The descriptors of a tar that
   * is not read to its end are closed with the iterator. Throws EngineError 'bad-request' for what no tar can hold,
   * Error with `code` (`ENOENT` for a member that is not there), and the signal's reason.
   */
  read(request: TreeTarRequest, signal: AbortSignal): AsyncIterable<Uint8Array>;

  /** Looks a path up, with every link resolved inside the root; undefined when nothing is there. Rejects as changes does, with `ENOTDIR` for a path through a file. */
  lookUp(request: LookUpRequest, signal: AbortSignal): Promise<FoundPath | undefined>;

  /** A file of a tree of at most `limit` bytes as text, '' where there is none. Links are resolved inside `root`, a descriptor. */
  readText(root: number, path: string, limit: number, signal: AbortSignal): Promise<string>;

  /**
   * Bytes of the files of a tree, and of the targets of its symlinks; a file with two names counts once. Rejects as changes
   * does.
   */
  size(folder: string, signal: AbortSignal): Promise<number>;

  /** What an upper folder changes, sorted by path. Rejects with Error with `code`, and with the signal's reason. */
  changes(request: UpperRequest, signal: AbortSignal): Promise<readonly UpperChange[]>;
}
