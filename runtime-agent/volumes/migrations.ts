import type { Migration } from '../../storage/catalog/migrate.ts';

/** The schema of the volumes. */
export const VOLUME_MIGRATIONS: readonly Migration[] = [
  {
    name: '0001-volumes',
    async up(knex) {
      await knex.schema.createTable('volumes', (table) => {
        table.string('name', 255).primary();
        table.text('created_at').notNullable();
        table.text('labels').notNullable();
        table.text('options').notNullable();
        table.boolean('anonymous').notNullable();
      });
    },
  },
];
