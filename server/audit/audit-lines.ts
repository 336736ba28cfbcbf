import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditCatalog, AuditEvent, AuditPage } from '../../storage/catalog/audit-catalog.ts';

/** Milliseconds after which it is looked for new events. */
const PAUSE = 1000;
const AT_ONCE = 500;

/** An event as the API shows it. */
export function shownEvent({ at, ...event }: AuditEvent) {
  return { ...event, at: at.toISOString() };
}

/** Events as JSON lines: those that are there and then those that come, until `signal` aborts or `ends` says so. */
export async function* auditLines(
  audit: AuditCatalog,
  page: Omit<AuditPage, 'limit'>,
  signal: AbortSignal,
  ends: () => Promise<boolean>,
): AsyncGenerator<string, void, undefined> {
  let after = page.after ?? '0';
  while (!signal.aborted && !(await ends())) {
    const events = await audit.list({ ...page, after, limit: AT_ONCE });
    if (events.length > 0) yield events.map((event) => `${JSON.stringify(shownEvent(event))}\n`).join('');
    after = events.at(-1)?.id ?? after;
    if (events.length === AT_ONCE) continue;
    await sleep(PAUSE, undefined, { signal, ref: false }).catch(() => {});
  }
}
