import type { Migration } from '../migrate.ts';

/** Tells rollouts under way from those that have ended, of which there are many more. */
export const markGoingRollouts: Migration = {
  name: '0011-going-rollouts',
  async up(knex) {
    await knex.schema.alterTable('rollouts', (table) => {
      // Also true of one whose end is not recorded yet.
      table.boolean('going').notNullable().defaultTo(true).index();
    });
  },
};
