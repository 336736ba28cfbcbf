import { setImmediate as turn } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { AuditCatalog } from '../../storage/catalog/audit-catalog.ts';
import { repeat } from './repeat.ts';

const RHYTHM = { first: 5_000, every: 60 * 60 * 1000 };

/**
 * Deletes what is older than `retention` milliseconds from the record of who did what, every hour until `signal` aborts;
 * resolves then. That several registries of one catalog do it is of no harm.
 */
export function pruneAuditOnSchedule(
  audit: Pick<AuditCatalog, 'prune'>,
  retention: number,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  const prune = async () => {
    const before = new Date(Date.now() - retention);
    let pruned = 0;
    for (let some = 1; some > 0; pruned += some) {
      some = await audit.prune(before);
      await turn(undefined, { signal });
    }
    if (pruned > 0) log.info({ pruned }, 'the record of who did what was pruned');
  };
  return repeat(prune, RHYTHM, signal, (error) =>
    log.error({ err: error }, 'the record of who did what could not be pruned'),
  );
}
