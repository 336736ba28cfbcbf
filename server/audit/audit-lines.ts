import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { AuditCatalog, AuditEvent, AuditPage } from '../../storage/catalog/audit-catalog.ts';

/** Milliseconds between checks for new events, and for the end of the stream. */
const PAUSE = 1000;
/** Events per chunk: a client that does not read occupies the memory of two chunks. */
const AT_ONCE = 50;

/** Returns an event as the API shows it. */
export function shownEvent({ at, ...event }: AuditEvent) {
  return { ...event, at: at.toISOString() };
}

/** The result of one read of the record. */
export interface AuditLook {
  readonly events: readonly AuditEvent[];
  /** The ID up to which the record was read. */
  readonly after: string;
  /** Whether that was the end of the record: the next read is a second later. */
  readonly isCurrent: boolean;
}

/** Reads the record from `page.after` on, and every second for new events, until `signal` aborts. */
export async function* followAudit(
  audit: Pick<AuditCatalog, 'window'>,
  page: Omit<AuditPage, 'limit'>,
  signal: AbortSignal,
): AsyncGenerator<AuditLook, void, undefined> {
  let after = page.after ?? '0';
  while (!signal.aborted) {
    const { events, lookedUpTo } = await audit.window({ ...page, after, limit: AT_ONCE });
    after = lookedUpTo ?? events.at(-1)?.id ?? after;
    yield { events, after, isCurrent: lookedUpTo === undefined };
    if (lookedUpTo !== undefined) await turn();
    else await sleep(PAUSE, undefined, { signal, ref: false }).catch(() => {});
  }
}

/** Yields events as JSON lines, existing and then new ones, until `signal` aborts or `ends` returns true. */
export async function* auditLines(
  audit: Pick<AuditCatalog, 'window'>,
  page: Omit<AuditPage, 'limit'>,
  signal: AbortSignal,
  ends: () => Promise<boolean>,
): AsyncGenerator<string, void, undefined> {
  let askedAt = Number.NEGATIVE_INFINITY;
  for await (const { events } of followAudit(audit, page, signal)) {
    if (performance.now() - askedAt >= PAUSE) {
      if (await ends()) return;
      askedAt = performance.now();
    }
    if (events.length > 0) yield events.map((event) => `${JSON.stringify(shownEvent(event))}\n`).join('');
  }
}
