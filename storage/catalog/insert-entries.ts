import type { Knex } from 'knex';
import type { AuditEntry } from './audit-catalog.ts';

const LONGEST_DETAIL = 500;
const COLUMNS = 'at, who, address, action, outcome, repository, digest, tag, media_type, size, detail, count';
const VALUES = `(${COLUMNS.replaceAll(/\w+/g, '?')})`;

/** Adds entries to the record, as part of a transaction. Every push does: knex would take longer to write the text. */
export async function insertEntries(trx: Knex.Transaction, entries: readonly AuditEntry[]): Promise<void> {
  const values = entries.map(() => VALUES).join(', ');
  const bindings = entries.flatMap((entry) => [
    entry.at.getTime(),
    entry.who?.slice(0, 255) ?? null,
    entry.address?.slice(0, 64) ?? null,
    entry.action,
    entry.outcome,
    entry.repository ?? null,
    entry.digest ?? null,
    entry.tag ?? null,
    entry.mediaType?.slice(0, 255) ?? null,
    entry.size ?? null,
    entry.detail?.slice(0, LONGEST_DETAIL) ?? null,
    entry.count,
  ]);
  await trx.raw(`insert into audit_events (${COLUMNS}) values ${values}`, bindings as Knex.RawBinding[]);
}
