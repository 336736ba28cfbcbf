import type { Migration } from '../../storage/catalog/migrate.ts';

/** The table in which `migrate` notes which of these have run. */
export const NETWORK_MIGRATIONS_TABLE = 'network_migrations';

/** The schema of the networks' state. What running containers have of a network is stored with their run. */
export const NETWORK_MIGRATIONS: readonly Migration[] = [
  {
    name: '0001-networks',
    async up(knex) {
      await knex.schema.createTable('networks', (table) => {
        table.string('id', 64).primary();
        table.text('name').notNullable().unique();
        table.text('created_at').notNullable();
        // The rest of Network as JSON: nothing is looked for by it.
        table.text('settings').notNullable();
      });
    },
  },
];
