import { createHash } from 'node:crypto';
import type { Knex } from 'knex';
import { isJsonObject, type JsonObject } from '../../oci/json.ts';
import { isPostgres } from '../catalog/rows.ts';
import type { CopiedTable } from './copied-tables.ts';

/** Folder of the snapshots of rows, beside the blobs. */
export const ROWS_FOLDER = 'accounts';
export const ROWS_KEPT = { latest: 3, days: 7 };

type Value = string | number | null;

/** A row of one of the copied tables. */
export interface RowLine {
  readonly table: string;
  readonly row: Readonly<Record<string, Value>>;
}

/** Reads all rows of some tables as of one moment, in an order that does not depend on the database. */
export async function readRows(knex: Knex, tables: readonly CopiedTable[]): Promise<readonly RowLine[]> {
  return knex.transaction(
    async (trx) => {
      const lines: RowLine[] = [];
      for (const { name, columns } of tables) {
        const rows: readonly JsonObject[] = await trx(name).select(...columns);
        const ofTable = rows.map((row) => ({ table: name, row: plain(row, columns) }));
        lines.push(...ofTable.sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1)));
      }
      return lines;
    },
    isPostgres(knex) ? { isolationLevel: 'repeatable read', readOnly: true } : {},
  );
}

/** Returns a version, which differs for different rows. */
export function versionOf(lines: readonly RowLine[]): string {
  const hash = createHash('sha256');
  for (const line of lines) hash.update(`${JSON.stringify(line)}\n`);
  return hash.digest('hex');
}

/** Parses a line of such a snapshot. */
export function readRowLine({ table, row }: JsonObject): RowLine | undefined {
  if (typeof table !== 'string' || !isJsonObject(row)) return undefined;
  const isPlain = Object.values(row).every(
    (value) => value === null || typeof value === 'string' || typeof value === 'number',
  );
  return isPlain ? { table, row: row as RowLine['row'] } : undefined;
}

/** Converts to SQLite's types: PostgreSQL's drivers return booleans, and large numbers as text. */
function plain(row: JsonObject, columns: readonly string[]): RowLine['row'] {
  return Object.fromEntries(
    columns.map((column) => {
      const value = row[column];
      if (typeof value === 'boolean') return [column, Number(value)];
      return [column, typeof value === 'number' || value === null ? value : String(value)];
    }),
  );
}
