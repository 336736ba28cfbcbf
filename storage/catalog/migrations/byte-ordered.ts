import type { Knex } from 'knex';
import { isPostgres } from '../dialect.ts';

/** Makes a text column sort by bytes, as the distribution API lists names; SQLite's columns do so already. */
export function byteOrdered(knex: Knex.Transaction, column: Knex.ColumnBuilder): Knex.ColumnBuilder {
  return isPostgres(knex) ? column.collate('C') : column;
}
