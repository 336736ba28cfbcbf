import type { Knex } from 'knex';

/**
 * A writer of audit_events holds a shared advisory lock from before it gets its ids until its end; the key states a
 * lower bound of these ids: 7403, an arbitrary number, and then 40 bits. Writers do not wait for each other.
 */
export const ANNOUNCE_AUDIT: readonly string[] = [
  `create function announce_audit() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock_shared((7403::bigint << 40) + (select last_value from audit_events_id_seq));
      return null;
    end
  $$`,
  `create trigger audit_announced before insert on audit_events
    for each statement execute function announce_audit()`,
];

const ANNOUNCED = `
  select min(((classid::bigint << 32) | objid::bigint) & ((1::bigint << 40) - 1)) as id from pg_locks
    where locktype = 'advisory' and objsubid = 1 and (classid::bigint >> 8) = 7403
      and database = (select oid from pg_database where datname = current_database())`;

/**
 * Returns an id up to which the record is complete and will never change. The two queries run one after the other: a
 * writer that is not seen gets ids above the first.
 */
export async function settledAudit(knex: Knex): Promise<number> {
  const { rows: last } = await knex.raw('select last_value as id from audit_events_id_seq');
  const { rows: announced } = await knex.raw(ANNOUNCED);
  const after = Number(last[0].id);
  return Math.min(after, Number(announced[0].id ?? after));
}
