import type { Knex } from 'knex';
import { isPostgres } from './dialect.ts';

export interface CopiedTable {
  readonly name: string;
  /** Columns that are true or false. */
  readonly booleans: ReadonlySet<string>;
  /** The column that numbers its rows by itself. */
  readonly numbered: string | undefined;
}

/** Of the database itself rather than of what it holds: which migrations have run, counts of changes, who works. */
const LEFT_OUT = /^(?:sqlite_.*|.*_migrations|name_changes|name_change_log|leases|quota_grants)$/;

/**
 * The tables of `to`, each after those that its rows refer to. One of the two databases is SQLite and one
 * PostgreSQL: each tells what it knows best.
 */
export async function tablesToCopy(from: Knex, to: Knex): Promise<readonly CopiedTable[]> {
  const [sqlite, postgres] = isPostgres(from) ? [to, from] : [from, to];
  const names: readonly string[] = (await tablesOf(to)).filter((name) => !LEFT_OUT.test(name));
  const types: readonly { table_name: string; column_name: string; data_type: string; numbered: boolean }[] =
    (
      await postgres.raw(
        `select table_name, column_name, data_type,
          (column_default like 'nextval(%' or is_identity = 'YES') as numbered
        from information_schema.columns where table_schema = current_schema()`,
      )
    ).rows;
  const ordered: string[] = [];
  const visit = async (name: string) => {
    if (ordered.includes(name)) return;
    const parents: readonly { readonly table: string }[] = await sqlite.raw(
      `pragma foreign_key_list('${name}')`,
    );
    for (const { table } of parents) if (table !== name) await visit(table);
    ordered.push(name);
  };
  for (const name of names) await visit(name);
  return ordered.map((name) => {
    const columns = types.filter((column) => column.table_name === name);
    return {
      name,
      booleans: new Set(
        columns.filter(({ data_type }) => data_type === 'boolean').map(({ column_name }) => column_name),
      ),
      numbered: columns.find(({ numbered }) => numbered)?.column_name,
    };
  });
}

async function tablesOf(knex: Knex): Promise<readonly string[]> {
  return isPostgres(knex)
    ? knex('pg_tables').whereRaw('schemaname = current_schema()').orderBy('tablename').pluck('tablename')
    : knex('sqlite_schema').where({ type: 'table' }).orderBy('name').pluck('name');
}
