import type { Migration } from '../migrate.ts';

/** Marks rollouts in progress, which are far fewer than those that have ended. */
export const markGoingRollouts: Migration = {
  name: '0011-going-rollouts',
  async up(knex) {
    await knex.schema.alterTable('rollouts', (table) => {
      // Also true for a rollout whose end is not recorded yet.
      table.boolean('going').notNullable().defaultTo(true).index();
    });
  },
};
