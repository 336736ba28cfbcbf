import type { Knex } from 'knex';
import type { Migration } from '../migrate.ts';
import { APPEND_QUOTA_USE } from '../postgres/quota-triggers.ts';
import { isPostgres } from '../rows.ts';

/**
 * What is to be added to quota_use: writers of PostgreSQL that count by rows of their own do not wait for each other.
 * SQLite's, which come one after the other, count in quota_use.
 */
export const appendQuotaUse: Migration = {
  name: '0005-quota-deltas',
  async up(knex: Knex.Transaction) {
    await knex.schema.createTable('quota_deltas', (table) => {
      table.bigIncrements('id');
      table.integer('quota_id').notNullable().index();
      table.bigInteger('bytes').notNullable();
    });
    // Null where the link is older. Whoever looks a blob up reads what others write, and has to give way to them.
    await knex.schema.alterTable('blob_links', (table) => {
      table.bigInteger('size');
    });
    if (isPostgres(knex)) for (const statement of APPEND_QUOTA_USE) await knex.raw(statement);
  },
};
