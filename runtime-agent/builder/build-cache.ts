/** Something that builds keep so that the next one need not make it again. */
export interface CacheRecord {
  readonly id: string;
  /** As BuildKit names kinds: layers of steps, copies of clients' folders, folders of `RUN --mount=type=cache`. */
  readonly type: 'regular' | 'source.local' | 'exec.cachemount';
  readonly description: string;
  /** Bytes on disk that its removal gives back. */
  readonly size: number;
  readonly createdAt: Date;
  readonly lastUsedAt?: Date;
  readonly usageCount: number;
  /** A build works with it: it cannot be pruned. */
  readonly inUse: boolean;
  /** An image of this host has it too, so that its removal gives nothing back. */
  readonly shared: boolean;
}

/** Which records a prune takes; those in use stay. */
export interface CachePruning {
  /** Also records that an image or another record still has; else only what nothing refers to. */
  readonly all: boolean;
  /** Records used after this stay. */
  readonly usedBefore?: Date;
  /** The records used last stay, as far as they fit; 0 keeps none. */
  readonly keepBytes: number;
  /** Only of these. */
  readonly matches: (record: CacheRecord) => boolean;
}

/** What builds keep on this host. */
export interface BuildCache {
  records(signal: AbortSignal): Promise<readonly CacheRecord[]>;
  /** Removes, and answers what was removed. */
  prune(pruning: CachePruning, signal: AbortSignal): Promise<readonly CacheRecord[]>;
}
