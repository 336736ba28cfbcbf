import type { Knex } from 'knex';

/** Whether this is PostgreSQL; otherwise it is SQLite. */
export function isPostgres(knex: Knex): boolean {
  return knex.client.driverName === 'pg';
}

/** The time in milliseconds since 1970 by the clock that all processes of the database share. */
export function sharedNow(knex: Knex): Knex.Raw {
  return isPostgres(knex)
    ? knex.raw('(extract(epoch from clock_timestamp()) * 1000)::bigint')
    : knex.raw('?', [Date.now()]);
}

/** Longer than the server waits (deadlock_timeout) before it makes a vacuum of its own give way. */
const LOCK_TIME = '3s';

/**
 * Keeps everybody else from linking and unlinking for the rest of a transaction, whose first statement this must be: what
 * it sees is of after that. For what reads all that pushes write, or has given way to them often: they follow each other
 * so closely that it would never commit. SQLite's transactions come one after the other anyway.
 */
export async function excludeWriters(trx: Knex.Transaction): Promise<void> {
  if (!isPostgres(trx)) return;
  await trx.raw(`set local lock_timeout = '${LOCK_TIME}'`);
  await trx.raw('lock table blob_links in share row exclusive mode');
}
