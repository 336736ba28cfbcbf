import type { Logger } from 'pino';
import type { AuditCatalog } from '../../storage/catalog/audit-catalog.ts';
import { collectGarbage, type GarbageReport, type GarbageRun } from '../../storage/gc/collect-garbage.ts';
import { recordCollection } from '../../storage/gc/record-collection.ts';
import { repeat } from './repeat.ts';

/** Maximum first pause: a server that is restarted every day must also collect garbage. */
const LONGEST_FIRST_PAUSE = 10 * 60 * 1000;

/** How a garbage collection has ended. */
export interface EndedCollection {
  /** Its deletions; undefined when it failed. */
  readonly report: GarbageReport | undefined;
  readonly seconds: number;
}

export interface ScheduledRun extends GarbageRun {
  readonly audit: Pick<AuditCatalog, 'record'>;
  readonly signal: AbortSignal;
}

/** Collects garbage every `interval` milliseconds until the run's signal aborts; resolves then. */
export function collectGarbageOnSchedule(
  run: ScheduledRun,
  interval: number,
  log: Logger,
  onEnd: (collection: EndedCollection) => void,
): Promise<void> {
  const collect = async () => {
    const startedAt = performance.now();
    const seconds = () => (performance.now() - startedAt) / 1000;
    const report = await collectGarbage(run).catch((error: unknown) => {
      if (!run.signal.aborted) onEnd({ report: undefined, seconds: seconds() });
      throw error;
    });
    if (report === undefined) {
      log.info('another garbage collection is running: this one is skipped');
      return;
    }
    log.info({ ...report, seconds: seconds() }, 'garbage was collected');
    onEnd({ report, seconds: seconds() });
    await recordCollection(run.audit, report);
  };
  const rhythm = { first: Math.min(interval, LONGEST_FIRST_PAUSE), every: interval };
  return repeat(collect, rhythm, run.signal, (error) =>
    log.error({ err: error }, 'garbage could not be collected'),
  );
}
