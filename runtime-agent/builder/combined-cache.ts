import type { BuildCache, CacheRecord } from './build-cache.ts';

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
