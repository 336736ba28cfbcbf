import { join } from 'node:path';
import type { Logger } from 'pino';
import { MetricSet } from '../../lib/metrics/metric-set.ts';
import { countEnds, startWatchdog } from '../../lib/watchdog/watchdog.ts';
import { WorkUnderWay } from '../../lib/watchdog/work-under-way.ts';

/** The parts that connect the Engine API and the watchdog. */
export interface WatchedAgent {
  readonly work: WorkUnderWay;
  readonly metrics: MetricSet;
  /** Begins to watch. Does nothing if the watchdog is off. */
  start(): void;
}

/**
 * Creates the agent's watchdog. `directory` is in memory, so that the count of ends can be written whatever state the
 * disks are in.
 */
export function watchAgent(limit: number | undefined, directory: string, log: Logger): WatchedAgent {
  const record = join(directory, 'watchdog-ends');
  const work = new WorkUnderWay();
  const metrics = new MetricSet();
  const ends = countEnds(record);
  metrics.gauge(
    {
      name: 'berth_agent_watchdog_ends_total',
      help: 'Agents that the watchdog has ended since boot because their event loop did not turn.',
    },
    () => ends,
    'counter',
  );
  return {
    work,
    metrics,
    start: () => {
      if (limit === undefined) return;
      const fields = { level: log.levels.values.fatal, ...log.bindings() };
      startWatchdog({
        limit,
        work,
        record,
        log: log.level === 'silent' ? undefined : { fields, isoTime: false },
        onFailure: (error) => log.error({ err: error }, 'the watchdog failed: the event loop is not watched'),
      });
    },
  };
}
