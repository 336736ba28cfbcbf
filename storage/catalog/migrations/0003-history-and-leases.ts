import type { Knex } from 'knex';
import type { Migration } from '../migrate.ts';

/** The history of tags, and leases on the whole catalog. Times are milliseconds since 1970. */
export const createHistoryAndLeases: Migration = {
  name: '0003-history-and-leases',
  async up(knex) {
    await createTagHistory(knex);
    await createLeases(knex);
  },
};

async function createTagHistory(knex: Knex.Transaction): Promise<void> {
  await knex.schema.createTable('tag_history', (table) => {
    table.bigIncrements('id');
    table.integer('repository_id').notNullable().references('id').inTable('repositories');
    table.string('name', 128).notNullable();
    // Null when the tag was deleted.
    table.string('manifest_digest', 135);
    table.bigInteger('changed_at').notNullable();
    // Null for anonymous clients.
    table.string('who', 255);
    table.index(['repository_id', 'name', 'id']);
  });
}

async function createLeases(knex: Knex.Transaction): Promise<void> {
  await knex.schema.createTable('leases', (table) => {
    table.string('name', 64).primary();
    table.string('holder', 64).notNullable();
    table.bigInteger('expires_at').notNullable();
  });
}
