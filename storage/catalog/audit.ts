import type { Knex } from 'knex';
import { likePattern } from '../../lib/pattern/wildcard.ts';
import { parseDigest } from '../../oci/digest.ts';
import type {
  AuditCatalog,
  AuditEntry,
  AuditEvent,
  AuditFilter,
  AuditPage,
  LatestAudit,
} from './audit-catalog.ts';
import { isPostgres } from './dialect.ts';
import { insertEntries } from './insert-entries.ts';
import { settledAudit } from './postgres/settled-audit.ts';
import { inTransaction } from './transaction.ts';

/** Rows that one transaction deletes: whoever else wants to write waits for it. */
const PRUNED_AT_ONCE = 500;

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

/** What was done by whom. */
export class KnexAudit implements AuditCatalog {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async record(entries: readonly AuditEntry[]): Promise<void> {
    if (entries.length === 0) return;
    await inTransaction(this.#knex, (trx) => insertEntries(trx, entries));
  }

  async list({ limit, after = '0', ...filter }: AuditPage): Promise<readonly AuditEvent[]> {
    const query = this.#knex('audit_events').where('id', '>', after).orderBy('id').limit(limit);
    return this.#read(query, filter);
  }

  async latest({ limit, before, ...filter }: LatestAudit): Promise<readonly AuditEvent[]> {
    const query = this.#knex('audit_events').orderBy('id', 'desc').limit(limit);
    if (before !== undefined) query.where('id', '<', before);
    return this.#read(query, filter);
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

  async #read(query: Knex.QueryBuilder, filter: AuditFilter): Promise<readonly AuditEvent[]> {
    const { action, outcome, repository, who, since, until } = filter;
    // SQLite's ids are committed in their order as it is.
    if (isPostgres(this.#knex)) query.where('id', '<=', await settledAudit(this.#knex));
    if (action !== undefined) query.where({ action });
    if (outcome !== undefined) query.where({ outcome });
    if (repository?.includes('*')) query.whereRaw("repository like ? escape '!'", [likePattern(repository)]);
    else if (repository !== undefined) query.where({ repository });
    if (who !== undefined) query.where({ who });
    if (since !== undefined) query.where('at', '>=', since.getTime());
    if (until !== undefined) query.where('at', '<', until.getTime());
    const rows: readonly AuditRow[] = await query;
    return rows.map(eventOfRow);
  }
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
