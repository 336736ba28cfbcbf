import type { Knex } from 'knex';
import { isPostgres } from './dialect.ts';

/** Rows that are read, and written, at a time. */
const PAGE = 500;

type Row = Readonly<Record<string, unknown>>;

/**
 * Copies every table between a database in SQLite and one in PostgreSQL, as they are at one moment, in place of what
 * the other one has; in one transaction there. Both have the tables of this version. Others may read and write `from`
 * meanwhile. Throws the signal's reason.
 */
export async function copyTables(from: Knex, to: Knex, signal?: AbortSignal): Promise<void> {
  const tables = await tablesInOrder(isPostgres(from) ? to : from);
  await from.transaction(
    (source) =>
      to.transaction(async (target) => {
        for (const table of tables.toReversed()) await target(table).delete();
        for (const table of tables) {
          const booleans = await booleanColumns(target, table);
          for await (const rows of pagesOf(source, table)) {
            signal?.throwIfAborted();
            await target(table).insert(rows.map((row) => withBooleans(row, booleans)));
          }
          await goOnCounting(target, table);
        }
      }),
    isPostgres(from) ? { isolationLevel: 'repeatable read', readOnly: true } : {},
  );
}

/** The tables of an SQLite database, those that others refer to first; not the lists of migrations. */
async function tablesInOrder(sqlite: Knex): Promise<readonly string[]> {
  const names: readonly string[] = await sqlite('sqlite_master')
    .where({ type: 'table' })
    .whereNot('name', 'like', 'sqlite%')
    .whereNot('name', 'like', '%migrations')
    .orderBy('name')
    .pluck('name');
  const ordered: string[] = [];
  const visit = async (name: string) => {
    if (ordered.includes(name)) return;
    const targets: readonly { readonly table: string }[] = await sqlite.raw('pragma foreign_key_list(??)', [
      name,
    ]);
    for (const { table } of targets) if (table !== name) await visit(table);
    ordered.push(name);
  };
  for (const name of names) await visit(name);
  return ordered;
}

async function* pagesOf(
  source: Knex.Transaction,
  table: string,
): AsyncGenerator<readonly Row[], void, undefined> {
  if (isPostgres(source)) {
    await source.raw('declare copied no scroll cursor for select * from ??', [table]);
    for (;;) {
      const { rows }: { readonly rows: readonly Row[] } = await source.raw(`fetch ${PAGE} from copied`);
      if (rows.length === 0) break;
      yield rows;
    }
    await source.raw('close copied');
    return;
  }
  for (let after = -1; ; ) {
    const rows: readonly (Row & { readonly copied_rowid: number })[] = await source(table)
      .select('*', source.raw('rowid as copied_rowid'))
      .where(source.raw('rowid'), '>', after)
      .orderByRaw('rowid')
      .limit(PAGE);
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows.map(({ copied_rowid: _, ...row }) => row);
    after = last.copied_rowid;
  }
}

/** SQLite has numbers in their place. */
async function booleanColumns(target: Knex.Transaction, table: string): Promise<readonly string[]> {
  if (!isPostgres(target)) return [];
  const columns = await target(table).columnInfo();
  return Object.entries(columns).flatMap(([name, { type }]) => (type === 'boolean' ? [name] : []));
}

function withBooleans(row: Row, booleans: readonly string[]): Row {
  if (booleans.length === 0) return row;
  const changed = booleans.map((name) => [name, row[name] === null ? null : Boolean(row[name])] as const);
  return { ...row, ...Object.fromEntries(changed) };
}

/** PostgreSQL hands out numbers of its own, and does not look at those that rows came with. SQLite does. */
async function goOnCounting(target: Knex.Transaction, table: string): Promise<void> {
  if (!isPostgres(target)) return;
  const { rows }: { readonly rows: readonly { readonly column_name: string }[] } = await target.raw(
    `select column_name from information_schema.columns
      where table_schema = current_schema() and table_name = ? and column_default like 'nextval(%'`,
    [table],
  );
  for (const { column_name: column } of rows) {
    await target.raw(
      'select setval(pg_get_serial_sequence(?, ?), greatest((select max(??) from ??), 1), (select count(*) > 0 from ??))',
      [table, column, column, table, table],
    );
  }
}
