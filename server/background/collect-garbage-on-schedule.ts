import type { Logger } from 'pino';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { collectGarbage } from '../../storage/gc/collect-garbage.ts';
import { DEFAULT_GRACE, garbagePolicy } from '../../storage/gc/garbage-policy.ts';
import { repeat } from './repeat.ts';

/** A server that is restarted every day shall collect garbage too. */
const LONGEST_FIRST_PAUSE = 10 * 60 * 1000;

/** Collects garbage every `interval` milliseconds until `signal` aborts; resolves then. Manifests without a tag stay. */
export function collectGarbageOnSchedule(
  catalog: Catalog,
  blobs: BlobStore,
  interval: number,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const collect = async () => {
    const report = await collectGarbage({
      catalog,
      blobs,
      policy: garbagePolicy(DEFAULT_GRACE, false),
      signal,
    });
    if (report === undefined) log.info('another garbage collection is running: this one is left out');
    else log.info({ ...report }, 'garbage was collected');
  };
  const rhythm = { first: Math.min(interval, LONGEST_FIRST_PAUSE), every: interval };
  return repeat(collect, rhythm, signal, (error) =>
    log.error({ err: error }, 'garbage could not be collected'),
  );
}
