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

/** The records that a prune takes of these, the one that was used longest ago first. */
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

/** Several caches as one: of the bytes that a prune keeps, the first has what the others leave. */
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
        // 0 is nothing to keep; a cache that has no room left keeps a byte, which is as much.
        const keepBytes = pruning.keepBytes === 0 ? 0 : Math.max(1, pruning.keepBytes - taken);
        removed.push(...(await cache.prune({ ...pruning, keepBytes }, signal)));
      }
      return removed;
    },
  };
}
