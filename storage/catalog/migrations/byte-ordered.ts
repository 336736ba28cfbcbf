import type { Knex } from 'knex';

/** Makes a text column sort by bytes, as the distribution API lists names; SQLite's columns do so already. */
export function byteOrdered(knex: Knex.Transaction, column: Knex.ColumnBuilder): Knex.ColumnBuilder {
  return knex.client.config.client === 'pg' ? column.collate('C') : column;
}
