import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { AuditCatalog, AuditEvent, AuditPage } from '../../storage/catalog/audit-catalog.ts';

/** Milliseconds after which it is looked for new events, and whether the stream is to end. */
const PAUSE = 1000;
/** Events of one piece: a client that does not read keeps the memory of two. */
const AT_ONCE = 50;

/** An event as the API shows it. */
export function shownEvent({ at, ...event }: AuditEvent) {
  return { ...event, at: at.toISOString() };
}

/** Events as JSON lines: those that are there and then those that come, until `signal` aborts or `ends` says so. */
export async function* auditLines(
  audit: Pick<AuditCatalog, 'window'>,
  page: Omit<AuditPage, 'limit'>,
  signal: AbortSignal,
  ends: () => Promise<boolean>,
): AsyncGenerator<string, void, undefined> {
  let after = page.after ?? '0';
  for (let askedAt = Number.NEGATIVE_INFINITY; !signal.aborted; ) {
    if (performance.now() - askedAt >= PAUSE) {
      if (await ends()) return;
      askedAt = performance.now();
    }
    const { events, lookedUpTo } = await audit.window({ ...page, after, limit: AT_ONCE });
    if (events.length > 0) yield events.map((event) => `${JSON.stringify(shownEvent(event))}\n`).join('');
    after = lookedUpTo ?? events.at(-1)?.id ?? after;
    if (lookedUpTo !== undefined) await turn();
    else await sleep(PAUSE, undefined, { signal, ref: false }).catch(() => {});
  }
}
