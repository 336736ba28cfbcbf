import type { Knex } from 'knex';
import type { Migration } from '../migrate.ts';
import { APPEND_QUOTA_USE } from '../postgres/quota-triggers.ts';
import { isPostgres } from '../rows.ts';

/**
 * Pending additions to quota_use: PostgreSQL's writers append rows, so that they do not wait for each other. SQLite's
 * writers run one after the other and update quota_use.
 */
export const appendQuotaUse: Migration = {
  name: '0005-quota-deltas',
  async up(knex: Knex.Transaction) {
    await knex.schema.createTable('quota_deltas', (table) => {
      table.bigIncrements('id');
      table.integer('quota_id').notNullable().index();
      table.bigInteger('bytes').notNullable();
    });
    // Null for older links. Joining blobs would read rows that others write, and conflict with them.
    await knex.schema.alterTable('blob_links', (table) => {
      table.bigInteger('size');
    });
    if (isPostgres(knex)) for (const statement of APPEND_QUOTA_USE) await knex.raw(statement);
  },
};
