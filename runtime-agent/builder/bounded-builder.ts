import type { Logger } from 'pino';
import { traced } from '../../lib/tracing/trace.ts';
import type { BuildCache } from './build-cache.ts';
import type { Builder } from './builder.ts';

/**
 * Milliseconds between a build and the check of the cache, which costs as much as a small build: several builds share
 * it.
 */
const LATER = 2000;

/** A builder whose cache is pruned to `limit` bytes soon after builds, least recently used records first. */
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
        return await traced({ name: 'build', kind: 'internal', attributes: {} }, () =>
          builder.build(request, progress, abort),
        );
      } finally {
        // One at a time, in the background.
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
