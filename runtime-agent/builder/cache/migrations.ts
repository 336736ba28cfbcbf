import type { Migration } from '../../../storage/catalog/migrate.ts';

/** What was built before. Times are milliseconds since 1970, sizes bytes. */
export const BUILD_MIGRATIONS: readonly Migration[] = [
  {
    name: '0001-build-steps',
    async up(knex) {
      await knex.schema.createTable('build_steps', (table) => {
        table.string('key', 64).primary();
        /** Null: the step changed no file. */
        table.string('diff_id', 135);
        /** The key of the same step that has its size: it goes with that. */
        table.string('alias_of', 64);
        table.string('description', 1000).notNullable();
        table.bigInteger('size').notNullable();
        table.bigInteger('created_at').notNullable();
        table.bigInteger('last_used_at').notNullable();
        table.integer('uses').notNullable();
        table.index(['diff_id']);
      });
    },
  },
  {
    name: '0002-build-config-steps',
    async up(knex) {
      await knex.schema.createTable('build_config_steps', (table) => {
        table.string('key', 64).primary();
        table.bigInteger('last_used_at').notNullable();
        table.index(['last_used_at']);
      });
    },
  },
];

export const BUILD_MIGRATIONS_TABLE = 'build_migrations';
