import type { Knex } from 'knex';
import { NAME_CHANGES } from './postgres/name-changes.ts';
import { batches, isPostgres } from './rows.ts';

/** Rows in memory at a time. */
const ROWS = 1000;
/** Rows of one statement, whose values databases limit. */
const AT_ONCE = 200;

/** The target of a copy is unsuitable; the message says why. */
export class CopyRefusedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CopyRefusedError';
  }
}

export interface CopyRun {
  readonly from: Knex;
  /** Must have the same tables, empty. */
  readonly to: Knex;
  readonly signal?: AbortSignal;
  readonly onProgress?: (table: string, rows: number) => void;
}

/**
 * Copies all tables of the target, as of one moment, from SQLite to PostgreSQL or back, except leases. It is one
 * transaction: all or nothing. Returns the rows of each table, counted in the target. Throws CopyRefusedError when the
 * target is not empty or has other tables.
 */
export async function copyTables({
  from,
  to,
  signal,
  onProgress,
}: CopyRun): Promise<ReadonlyMap<string, number>> {
  const tables = await tablesToCopy(from, to);
  return from.transaction(
    async (source) => {
      await endureLongWork(source);
      return to.transaction(async (target) => {
        await endureLongWork(target);
        const copied = new Map<string, number>();
        for (const { name } of tables) {
          if ((await target(name).first()) === undefined) continue;
          throw new CopyRefusedError(`the database to copy into is in use: its table ${name} is not empty`);
        }
        for (const table of tables) {
          let rows = 0;
          for await (const batch of rowsOf(source, table.name)) {
            signal?.throwIfAborted();
            await insert(target, table, batch);
            rows += batch.length;
            onProgress?.(table.name, rows);
          }
          await expectCount(target, table.name, rows);
          await continueNumbers(target, table);
          copied.set(table.name, rows);
        }
        await setNameChanges(target, await nameChanges(source));
        return copied;
      });
    },
    // One snapshot for all reads; SQLite's transactions always have one.
    isPostgres(from) ? { isolationLevel: 'repeatable read', readOnly: true } : {},
  );
}

/** Lets one side wait while the other works. */
async function endureLongWork(trx: Knex.Transaction): Promise<void> {
  if (!isPostgres(trx)) return;
  await trx.raw('set local idle_in_transaction_session_timeout = 0');
  await trx.raw('set local statement_timeout = 0');
}

async function* rowsOf(source: Knex.Transaction, table: string): AsyncGenerator<readonly object[]> {
  if (isPostgres(source)) {
    await source.raw('declare copied no scroll cursor for select * from ??', [table]);
    for (;;) {
      const { rows } = await source.raw(`fetch ${ROWS} from copied`);
      if (rows.length === 0) break;
      yield rows;
    }
    await source.raw('close copied');
    return;
  }
  for (let after = 0; ; ) {
    const rows: readonly { readonly copied_rowid: number }[] = await source(table)
      .where('rowid', '>', after)
      .orderBy('rowid')
      .limit(ROWS)
      .select('*', source.raw('rowid as copied_rowid'));
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows.map(({ copied_rowid: _, ...row }) => row);
    after = last.copied_rowid;
  }
}

async function insert(target: Knex.Transaction, table: CopiedTable, rows: readonly object[]): Promise<void> {
  for (const batch of batches(rows, AT_ONCE)) {
    await target(table.name).insert(batch.map((row) => ({ ...row, ...inWordsOf(target, table, row) })));
  }
}

/** Converts booleans to the target's form: SQLite has 0 and 1. */
function inWordsOf(target: Knex, { booleans }: CopiedTable, row: object): object {
  const values: Record<string, unknown> = {};
  for (const [column, value] of Object.entries(row)) {
    if (booleans.has(column) && value !== null)
      values[column] = isPostgres(target) ? Boolean(value) : Number(value);
  }
  return values;
}

async function expectCount(target: Knex.Transaction, table: string, rows: number): Promise<void> {
  const [counted] = await target(table).count({ rows: '*' });
  if (Number(counted?.rows) === rows) return;
  throw new Error(`${rows} rows were copied into ${table}, which now has ${counted?.rows}`);
}

/** Continues PostgreSQL's sequences after the copied rows; SQLite does so itself. */
async function continueNumbers(target: Knex.Transaction, { name, numbered }: CopiedTable): Promise<void> {
  if (!isPostgres(target) || numbered === undefined) return;
  await target.raw(
    'select setval(pg_get_serial_sequence(?, ?), coalesce(max(??), 1), max(??) is not null) from ??',
    [name, numbered, numbered, numbered, name],
  );
}

async function nameChanges(knex: Knex): Promise<number> {
  if (isPostgres(knex)) return (await knex.raw(NAME_CHANGES)).rows[0].total;
  return (await knex('name_changes').first('count')).count;
}

async function setNameChanges(target: Knex.Transaction, count: number): Promise<void> {
  if (isPostgres(target)) await target('name_change_log').delete();
  await target('name_changes').update({ count });
}

interface CopiedTable {
  readonly name: string;
  /** Columns that are boolean. */
  readonly booleans: ReadonlySet<string>;
  /** The auto-increment column. */
  readonly numbered: string | undefined;
}

/**
 * Tables about the database itself: executed migrations, counts of changes, leases. Triggers of the target count its
 * repositories.
 */
const LEFT_OUT =
  /^(?:sqlite_.*|.*_migrations|name_changes|name_change_log|leases|replica_messages|quota_grants|repository_(?:stats|deltas))$/;

/**
 * Lists the tables of `to`, each after those that its rows refer to. One of the databases is SQLite and one PostgreSQL;
 * each provides a part of the information.
 */
async function tablesToCopy(from: Knex, to: Knex): Promise<readonly CopiedTable[]> {
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
