import type { Logger } from 'pino';
import type { BuildCache } from './build-cache.ts';
import type { Builder } from './builder.ts';

/** Milliseconds after a build until the cache is looked at, which costs as much as a small build: several of them share it. */
const LATER = 2000;

/** A builder whose cache is brought back to `limit` bytes soon after builds; what was used least lately goes first. */
export function boundedBuilder(
  builder: Builder,
  options: {
    readonly cache: BuildCache;
    readonly limit: number;
    readonly log: Logger;
    readonly signal: AbortSignal;
  },
): Builder {
  const { cache, limit, log, signal } = options;
  let trimming = Promise.resolve();
  let isPlanned = false;
  const trim = async () => {
    try {
      await cache.prune({ all: true, keepBytes: limit, matches: () => true }, signal);
    } catch (error) {
      if (!signal.aborted)
        log.error({ err: error }, 'the build cache could not be brought back to its limit');
    }
  };
  return {
    leaveCaches: builder.leaveCaches.bind(builder),
    async build(request, progress, abort) {
      try {
        return await builder.build(request, progress, abort);
      } finally {
        // One after the other, and nobody waits for it.
        if (!isPlanned) {
          setTimeout(() => {
            isPlanned = false;
            trimming = trimming.then(trim);
          }, LATER).unref();
        }
        isPlanned = true;
      }
    },
  };
}
