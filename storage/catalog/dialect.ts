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

/**
 * Leaves out of a query rows of transactions beside which older ones still run, so that whoever reads a table in the
 * order of its ids never sees an id after a larger one. SQLite's ids are committed in their order as it is.
 */
export function settledOnly<Query extends Knex.QueryBuilder>(query: Query, knex: Knex): Query {
  if (isPostgres(knex)) query.whereRaw('age(xmin) > age(pg_snapshot_xmin(pg_current_snapshot())::xid)');
  return query;
}
