import type { Migration } from '../migrate.ts';

/** The latest deliveries of each webhook, one row for each event regardless of attempts. */
export const createWebhookDeliveries: Migration = {
  name: '0013-webhook-deliveries',
  async up(knex) {
    await knex.schema.createTable('webhook_deliveries', (table) => {
      table.bigIncrements('id');
      table.integer('webhook_id').notNullable();
      table.string('event_id', 64).notNullable();
      table.string('action', 16).notNullable();
      table.string('repository', 255).notNullable();
      table.string('tag', 128);
      table.integer('attempts').notNullable();
      // Time of the last attempt, milliseconds since 1970.
      table.bigInteger('tried_at').notNullable();
      // Null if it was delivered.
      table.text('failure');
      table.index(['webhook_id', 'id']);
    });
  },
};
