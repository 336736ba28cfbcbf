/**
 * The count of name changes in PostgreSQL: writers, which must not wait for each other, add rows to a log, and readers
 * fold a long log into the total, which does not change the sum.
 */
export const NAME_CHANGES = `
  select count + logged as total, logged
  from name_changes, (select count(*) as logged from name_change_log) as log`;

/** Must run outside other transactions; concurrent runs are harmless. */
export const FOLD_CHANGES = `
  with folded as (delete from name_change_log returning id)
  update name_changes set count = count + (select count(*) from folded)`;

/** SQL that creates the log, and triggers that write every change of `tables` to it. */
export function createChangeLog(tables: readonly string[]): string {
  const triggers = tables.map(
    (table) => `
      create trigger ${table}_count after insert or update or delete or truncate on ${table}
        for each statement execute function count_name_change();`,
  );
  return `
    create table name_change_log (id bigint generated always as identity primary key);
    create function count_name_change() returns trigger language plpgsql as $$
      begin
        insert into name_change_log default values;
        return null;
      end
    $$;
    ${triggers.join('')}`;
}
