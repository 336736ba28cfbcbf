import { AsyncLocalStorage } from 'node:async_hooks';
import type { Knex } from 'knex';
import type { AuditEntry } from './audit-catalog.ts';

interface Change {
  /** Called by each transaction that changes something; returns undefined while the entry is not known yet. */
  readonly entry: () => AuditEntry | undefined;
  recorded: boolean;
}

/** One request may change several stores: this passes the audit entry to their transactions. */
const changes = new AsyncLocalStorage<Change>();

/**
 * Runs `work`; its first transaction that changes something also records `entry`, atomically. Returns whether there was
 * one.
 */
export async function recordingChange(
  entry: () => AuditEntry | undefined,
  work: () => Promise<unknown>,
): Promise<boolean> {
  const change: Change = { entry, recorded: false };
  await changes.run(change, work);
  return change.recorded;
}

/** Runs a transaction with its audit entry, if there is one. `run` may repeat its work. */
export async function withRecord<T>(
  work: (trx: Knex.Transaction) => Promise<T>,
  run: (work: (trx: Knex.Transaction) => Promise<T>) => Promise<T>,
): Promise<T> {
  const change = changes.getStore();
  if (change === undefined || change.recorded) return run(work);
  let entry: AuditEntry | undefined;
  const result = await run(async (trx) => {
    const outcome = await work(trx);
    entry = hasChanged(outcome) ? change.entry() : undefined;
    if (entry !== undefined) await insertEntries(trx, [entry]);
    return outcome;
  });
  if (entry !== undefined) change.recorded = true;
  return result;
}

/** Reports whether something has changed: stores return false, or undefined, if not. */
function hasChanged(outcome: unknown): boolean {
  return outcome !== false && outcome !== 0;
}

const LONGEST_DETAIL = 500;
const COLUMNS = 'at, who, address, action, outcome, repository, digest, tag, media_type, size, detail, count';
const VALUES = `(${COLUMNS.replaceAll(/\w+/g, '?')})`;

/** Inserts entries as a part of a transaction. Every push does: knex would take longer to build the SQL. */
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
