import { setImmediate as turn } from 'node:timers/promises';
import type { Knex } from 'knex';
import { likePattern } from '../../lib/pattern/wildcard.ts';
import { parseDigest } from '../../oci/digest.ts';
import type {
  AuditCatalog,
  AuditEntry,
  AuditEvent,
  AuditFilter,
  AuditPage,
  AuditWindow,
  LatestAudit,
} from './audit-catalog.ts';
import { settledAudit } from './postgres/settled-audit.ts';
import { insertEntries } from './recorded-change.ts';
import { isPostgres } from './rows.ts';
import { inTransaction } from './transaction.ts';

/** Rows deleted per transaction: other writers wait for it. */
const PRUNED_AT_ONCE = 500;

/** Events that one statement reads. On SQLite nothing else runs meanwhile. */
const SQLITE_WINDOW = 1000;
const POSTGRES_WINDOW = 50_000;
/** Times that one statement reads. */
const TIMES_AT_ONCE = 1000;

interface AuditRow {
  readonly id: number | string;
  readonly at: number | string;
  readonly who: string | null;
  readonly address: string | null;
  readonly action: AuditEvent['action'];
  readonly outcome: AuditEvent['outcome'];
  readonly repository: string | null;
  readonly digest: string | null;
  readonly tag: string | null;
  readonly media_type: string | null;
  readonly size: number | string | null;
  readonly detail: string | null;
  readonly count: number;
}

/** The audit in the catalog's tables. */
export class KnexAudit implements AuditCatalog {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async record(entries: readonly AuditEntry[]): Promise<void> {
    if (entries.length === 0) return;
    await inTransaction(this.#knex, (trx) => insertEntries(trx, entries));
  }

  async list({ limit, after = '0', ...filter }: AuditPage, signal?: AbortSignal) {
    const least = await this.#leastOf(filter, signal);
    if (least === undefined) return [];
    const from = least <= Number(after) ? after : String(least - 1);
    return this.#scan({ limit, filter, from, order: 'asc' }, signal);
  }

  async latest({ limit, before, ...filter }: LatestAudit, signal?: AbortSignal) {
    const least = await this.#leastOf(filter, signal);
    if (least === undefined) return [];
    return this.#scan({ limit, filter, from: before, order: 'desc', least }, signal);
  }

  window({ limit, after = '0', ...filter }: AuditPage): Promise<AuditWindow> {
    return this.#window({ limit, filter, from: after, order: 'asc' });
  }

  prune(before: Date): Promise<number> {
    return inTransaction(
      this.#knex,
      async (trx) => {
        const old = trx('audit_events')
          .where('at', '<', before.getTime())
          .orderBy('at')
          .limit(PRUNED_AT_ONCE)
          .select('id');
        return trx('audit_events').whereIn('id', old).delete();
      },
      { durable: false },
    );
  }

  /** Reads window after window until there are enough events, or no more. */
  async #scan({ limit, ...scan }: Scan, signal: AbortSignal | undefined): Promise<readonly AuditEvent[]> {
    const events: AuditEvent[] = [];
    for (let from = scan.from; ; ) {
      signal?.throwIfAborted();
      const found = await this.#window({ ...scan, from, limit: limit - events.length });
      events.push(...found.events);
      from = found.lookedUpTo;
      if (from === undefined || events.length >= limit) return events;
      await turn();
    }
  }

  async #window({ limit, filter, from, order, least }: Scan): Promise<AuditWindow> {
    const knex = this.#knex;
    const window = knex('audit_events').orderBy('id', order);
    if (from !== undefined) window.where('id', order === 'asc' ? '>' : '<', from);
    // SQLite's ids are already committed in order.
    if (isPostgres(knex)) window.where('id', '<=', await settledAudit(knex));
    const size = isPostgres(knex) ? POSTGRES_WINDOW : SQLITE_WINDOW;
    const last = window.clone().offset(size - 1);
    if (least !== undefined) last.where('id', '>=', least);
    const end: Pick<AuditRow, 'id'> | undefined = await last.first('id');
    const query = window.limit(limit);
    // Of two lower bounds SQLite may use the lower one, and read all rows between them.
    const bound = end?.id ?? least;
    if (bound !== undefined) query.where('id', order === 'asc' ? '<=' : '>=', bound);
    const rows: readonly AuditRow[] = await matching(query, filter);
    const events = rows.map(eventOfRow);
    // If the page is full, only its own range is known to be complete.
    const lookedUpTo = rows.length < limit ? end?.id : rows.at(-1)?.id;
    return { events, ...(lookedUpTo !== undefined && { lookedUpTo: String(lookedUpTo) }) };
  }

  /**
   * Returns the lowest id of events since `filter.since`, so that older ones are not read; undefined without such an
   * event, 0 without such a filter. Ids need not be in the order of time.
   */
  async #leastOf({ since }: AuditFilter, signal: AbortSignal | undefined): Promise<number | undefined> {
    if (since === undefined) return 0;
    let least: number | undefined;
    for (let from: readonly [at: number, id: number] = [since.getTime(), 0]; ; ) {
      signal?.throwIfAborted();
      const rows: readonly Pick<AuditRow, 'id' | 'at'>[] = await this.#knex('audit_events')
        .where('at', '>=', from[0])
        .whereRaw('("at", id) > (?, ?)', [...from])
        .orderBy(['at', 'id'])
        .limit(TIMES_AT_ONCE)
        .select('at', 'id');
      for (const { id } of rows) least = Math.min(least ?? Number(id), Number(id));
      const last = rows.at(-1);
      if (last === undefined || rows.length < TIMES_AT_ONCE) return least;
      from = [Number(last.at), Number(last.id)];
      await turn();
    }
  }
}

/** A scan of events in the order of their ids; `from` is the id before the first. */
interface Scan {
  readonly limit: number;
  readonly filter: AuditFilter;
  readonly from: string | undefined;
  readonly order: 'asc' | 'desc';
  /** Events with lower ids do not match; with `desc` only. */
  readonly least?: number;
}

function matching(
  query: Knex.QueryBuilder,
  { action, outcome, repository, who, since, until }: AuditFilter,
): Knex.QueryBuilder {
  if (action !== undefined) query.where({ action });
  if (outcome !== undefined) query.where({ outcome });
  if (repository?.includes('*')) query.whereRaw("repository like ? escape '!'", [likePattern(repository)]);
  else if (repository !== undefined) query.where({ repository });
  if (who !== undefined) query.where({ who });
  // The plus prevents SQLite from using the index of times, with which it would read far more than the window.
  if (since !== undefined) query.whereRaw('+"at" >= ?', [since.getTime()]);
  if (until !== undefined) query.whereRaw('+"at" < ?', [until.getTime()]);
  return query;
}

function eventOfRow(row: AuditRow): AuditEvent {
  return {
    id: String(row.id),
    at: new Date(Number(row.at)),
    ...(row.who !== null && { who: row.who }),
    ...(row.address !== null && { address: row.address }),
    action: row.action,
    outcome: row.outcome,
    ...(row.repository !== null && { repository: row.repository }),
    ...(row.digest !== null && { digest: parseDigest(row.digest) }),
    ...(row.tag !== null && { tag: row.tag }),
    ...(row.media_type !== null && { mediaType: row.media_type }),
    ...(row.size !== null && { size: Number(row.size) }),
    ...(row.detail !== null && { detail: row.detail }),
    count: row.count,
  };
}
