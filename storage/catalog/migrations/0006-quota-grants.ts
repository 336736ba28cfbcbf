import type { Knex } from 'knex';
import type { Migration } from '../migrate.ts';

/** Bytes of quotas that are reserved for the pushes of one process. SQLite needs none. */
export const createQuotaGrants: Migration = {
  name: '0006-quota-grants',
  async up(knex: Knex.Transaction) {
    await knex.schema.createTable('quota_grants', (table) => {
      table.bigIncrements('id');
      table.integer('quota_id').notNullable();
      // The process; the grants of an ended one are taken back.
      table.string('holder', 36).notNullable();
      table.bigInteger('bytes').notNullable();
    });
  },
};
