/** A cached result of builds, which the next build can reuse. */
export interface CacheRecord {
  readonly id: string;
  /** As BuildKit names kinds: layers of steps, copies of clients' folders, folders of `RUN --mount=type=cache`. */
  readonly type: 'regular' | 'source.local' | 'exec.cachemount';
  readonly description: string;
  /** Bytes on disk that its removal frees. */
  readonly size: number;
  readonly createdAt: Date;
  readonly lastUsedAt?: Date;
  readonly usageCount: number;
  /** Whether a build uses it, so that it cannot be pruned. */
  readonly inUse: boolean;
  /** Whether an image of this host uses it too; removing it then frees nothing. */
  readonly shared: boolean;
}

/** Selects the records of a prune; records in use stay. */
export interface CachePruning {
  /** Whether to remove records that an image or another record still uses, rather than only unreferenced ones. */
  readonly all: boolean;
  /** Records used after this time stay. */
  readonly usedBefore?: Date;
  /** The most recently used records stay, up to this size; 0 keeps none. */
  readonly keepBytes: number;
  /** Selects the records that may be removed. */
  readonly matches: (record: CacheRecord) => boolean;
}

/** The build cache of this host. */
export interface BuildCache {
  records(signal: AbortSignal): Promise<readonly CacheRecord[]>;
  /** Removes records, and returns the removed ones. */
  prune(pruning: CachePruning, signal: AbortSignal): Promise<readonly CacheRecord[]>;
}

/** Returns the records that a prune removes, least recently used first. */
export function prunable(records: readonly CacheRecord[], pruning: CachePruning): readonly CacheRecord[] {
  const usedAt = ({ lastUsedAt, createdAt }: CacheRecord) => (lastUsedAt ?? createdAt).getTime();
  const { all, usedBefore, keepBytes, matches } = pruning;
  const free = records.filter(
    (record) =>
      !record.inUse &&
      (all || !record.shared) &&
      matches(record) &&
      (usedBefore === undefined || usedAt(record) < usedBefore.getTime()),
  );
  const ordered = [...free].sort((a, b) => usedAt(a) - usedAt(b));
  let left = records.reduce((sum, { size }) => sum + size, 0);
  return ordered.filter(({ size }) => {
    if (keepBytes > 0 && left <= keepBytes) return false;
    left -= size;
    return true;
  });
}

/** Combines several caches: of the bytes that a prune keeps, the first cache gets what the others leave. */
export function combinedCache(caches: readonly BuildCache[]): BuildCache {
  return {
    records: async (signal) => (await Promise.all(caches.map((cache) => cache.records(signal)))).flat(),
    async prune(pruning, signal) {
      const removed: CacheRecord[] = [];
      for (const cache of caches) {
        const others = await Promise.all(
          caches.filter((other) => other !== cache).map((other) => other.records(signal)),
        );
        const taken = others.flat().reduce((sum, { size }) => sum + size, 0);
        // 0 means to keep nothing; a cache without room keeps one byte, which has the same effect.
        const keepBytes = pruning.keepBytes === 0 ? 0 : Math.max(1, pruning.keepBytes - taken);
        removed.push(...(await cache.prune({ ...pruning, keepBytes }, signal)));
      }
      return removed;
    },
  };
}
