import type { Knex } from 'knex';

/**
 * Whoever adds to audit_events holds, from before it gets its ids to its end, a shared advisory lock whose key tells an
 * id below these: 7403, any number, and then 40 bits. Writers do not wait for each other.
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
 * An id up to which whoever asks from now on sees all that there will ever be. The two are asked for one after the
 * other: whoever is not seen to write gets ids above the first.
 */
export async function settledAudit(knex: Knex): Promise<number> {
  const { rows: last } = await knex.raw('select last_value as id from audit_events_id_seq');
  const { rows: announced } = await knex.raw(ANNOUNCED);
  const after = Number(last[0].id);
  return Math.min(after, Number(announced[0].id ?? after));
}
