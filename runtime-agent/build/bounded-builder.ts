import type { Logger } from 'pino';
import type { BuildCache } from './build-cache.ts';
import type { Builder } from './builder.ts';

/** A builder whose cache is brought back to `limit` bytes after each build; what was used least lately goes first. */
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
  const trim = async () => {
    try {
      await cache.prune({ all: true, keepBytes: limit, matches: () => true }, signal);
    } catch (error) {
      if (!signal.aborted)
        log.error({ err: error }, 'the build cache could not be brought back to its limit');
    }
  };
  return {
    async build(request, progress, abort) {
      try {
        return await builder.build(request, progress, abort);
      } finally {
        // One after the other, and nobody waits for it.
        trimming = trimming.then(trim);
      }
    },
  };
}
