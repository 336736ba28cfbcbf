/** What the management API answers about the content, as far as commands show it: times are RFC 3339. */
export interface RepositoryView {
  readonly name: string;
  readonly tags: number;
  readonly manifests: number;
  /** Bytes of all its blobs, each once. */
  readonly size: number;
  readonly lastPush?: string;
  readonly lastPull?: string;
}

export interface DiskUse {
  /** Bytes; a blob of several repositories counts for each of them. */
  readonly size: number;
  readonly repositories: readonly RepositoryView[];
}

export interface TagView {
  readonly name: string;
  readonly digest: string;
  /** Bytes; undefined where it has too many blobs for a list. */
  readonly size?: number;
  readonly platforms: readonly string[];
  readonly pushedBy?: string;
  readonly pushedAt: string;
  readonly lastPull?: string;
}

/** All of a manifest; commands print it as it is. */
export type ManifestView = Readonly<Record<string, unknown>>;

export interface ConsequencesView {
  /** False: nothing was deleted. */
  readonly deleted: boolean;
  readonly tags: readonly string[];
  readonly tagCount: number;
  /** Digests that nothing holds any more, 1,000 at most. */
  readonly manifests: readonly string[];
  readonly bytesFreed: number;
  readonly bytesKept: number;
  readonly running: readonly {
    readonly app: string;
    readonly release: number;
    readonly hosts: readonly string[];
    /** False: it is kept for a rollback. */
    readonly runs: boolean;
  }[];
  /** Why the delete would be refused. */
  readonly refusal?: string;
  readonly restorableUntil?: string;
}

interface Change {
  readonly name: string;
  readonly before?: string;
  readonly after?: string;
}

export interface DifferenceView {
  readonly platform?: string;
  readonly layers: readonly {
    readonly digest: string;
    readonly size: number;
    readonly change: 'same' | 'removed' | 'added';
  }[];
  /** Bytes that somebody who has the first downloads for the second. */
  readonly download: number;
  readonly configuration: readonly Change[];
  readonly environment: readonly Change[];
  readonly labels: readonly Change[];
}
