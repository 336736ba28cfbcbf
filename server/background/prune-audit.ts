import { setImmediate as turn } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { AuditCatalog } from '../../storage/catalog/audit-catalog.ts';
import { repeat } from './repeat.ts';

const RHYTHM = { first: 5_000, every: 60 * 60 * 1000 };

/**
 * Deletes audit events older than `retention` milliseconds, every hour until `signal` aborts; resolves after that.
 * Several registries of one catalog may do it concurrently.
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
    if (pruned > 0) log.info({ pruned }, 'the audit log was pruned');
  };
  return repeat(prune, RHYTHM, signal, (error) =>
    log.error({ err: error }, 'the audit log could not be pruned'),
  );
}
