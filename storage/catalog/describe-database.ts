import { existsSync, statSync } from 'node:fs';
import knex from 'knex';
import type { Database } from './database.ts';
import { isPostgres } from './rows.ts';

/** Opens an SQLite database for reading only, also beside a program that writes to it. Throws if there is none. */
export function openReadOnly(file: string): Database {
  if (!existsSync(file)) throw new Error(`there is no database ${file}`);
  return knex({
    client: 'better-sqlite3',
    connection: { filename: file, options: { readonly: true } },
    useNullAsDefault: true,
  });
}

/** Sizes and counts of a database, without any of its content. */
export interface DatabaseDescription {
  readonly kind: 'PostgreSQL' | 'SQLite';
  readonly version: string;
  /** Of the whole database; for SQLite of its file and its log. */
  readonly bytes: Readonly<Record<string, number>>;
  /** Rows by table; estimated for PostgreSQL. */
  readonly rows: Readonly<Record<string, number>>;
  /** Applied steps by table of migrations. */
  readonly migrations: Readonly<Record<string, readonly string[]>>;
}

/** Describes a database. `file` is that of SQLite. Throws the error of the database. */
export async function describeDatabase(database: Database, file?: string): Promise<DatabaseDescription> {
  const description = isPostgres(database)
    ? await describePostgres(database)
    : await describeSqlite(database, file);
  const migrations: Record<string, readonly string[]> = {};
  for (const table of Object.keys(description.rows).filter((name) => name.endsWith('_migrations'))) {
    migrations[table] = (await database(table).select('name').orderBy('name')).map(({ name }) =>
      String(name),
    );
  }
  return { ...description, migrations };
}

async function describePostgres(database: Database) {
  const { rows: tables } = await database.raw(
    'select relname as name, n_live_tup as count from pg_stat_user_tables where schemaname = current_schema()',
  );
  const { rows: facts } = await database.raw(
    "select pg_database_size(current_database()) as bytes, current_setting('server_version') as version",
  );
  return {
    kind: 'PostgreSQL',
    version: String(facts[0].version),
    bytes: { database: Number(facts[0].bytes) },
    rows: rowsOf(tables),
  } as const;
}

async function describeSqlite(database: Database, file: string | undefined) {
  const [{ version }] = await database.raw('select sqlite_version() as version');
  const tables = await database('sqlite_master').select('name').where({ type: 'table' }).orderBy('name');
  const counted: { name: string; count: unknown }[] = [];
  for (const { name } of tables) {
    const found = await database(name).count({ count: '*' }).first();
    counted.push({ name, count: found?.count });
  }
  const bytes = Object.fromEntries(
    (file === undefined ? [] : [file, `${file}-wal`]).flatMap((path) => {
      const size = statSync(path, { throwIfNoEntry: false })?.size;
      return size === undefined ? [] : [[path === file ? 'file' : 'log', size]];
    }),
  );
  return { kind: 'SQLite', version: String(version), bytes, rows: rowsOf(counted) } as const;
}

function rowsOf(tables: readonly { readonly name: string; readonly count: unknown }[]) {
  return Object.fromEntries(tables.map(({ name, count }) => [name, Number(count)]));
}
