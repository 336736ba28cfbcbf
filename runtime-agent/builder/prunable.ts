import type { CachePruning, CacheRecord } from './build-cache.ts';

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
