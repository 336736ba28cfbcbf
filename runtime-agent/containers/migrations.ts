import type { Migration } from '../../storage/catalog/migrate.ts';

/** The table in which `migrate` notes which of these have run. */
export const CONTAINER_MIGRATIONS_TABLE = 'container_migrations';

/** The schema of the containers' state. */
export const CONTAINER_MIGRATIONS: readonly Migration[] = [
  {
    name: '0001-containers',
    async up(knex) {
      await knex.schema.createTable('containers', (table) => {
        table.string('id', 64).primary();
        table.string('name', 255).notNullable().unique();
        table.text('created_at').notNullable();
        table.text('image_id').notNullable();
        table.text('path').notNullable();
        table.text('args').notNullable();
        table.text('config').notNullable();
        table.text('host_config').notNullable();
        table.string('status', 16).notNullable();
        table.integer('exit_code').notNullable();
        table.boolean('oom_killed').notNullable();
        table.text('error').notNullable();
        table.text('started_at').notNullable();
        table.text('finished_at').notNullable();
        table.boolean('stopped_by_user').notNullable();
        // The processes of the current run as JSON; null without one.
        table.text('run');
      });
    },
  },
  {
    name: '0002-mounts',
    async up(knex) {
      await knex.schema.alterTable('containers', (table) => {
        table.text('mounts').notNullable().defaultTo('[]');
      });
    },
  },
  {
    name: '0003-networks',
    async up(knex) {
      await knex.schema.alterTable('containers', (table) => {
        // Container.networks as JSON.
        table.text('networks').notNullable().defaultTo('{}');
      });
    },
  },
  {
    name: '0004-health',
    async up(knex) {
      await knex.schema.alterTable('containers', (table) => {
        // ContainerState.health as JSON; null without a health check.
        table.text('health');
      });
    },
  },
  {
    name: '0005-restart-count',
    async up(knex) {
      await knex.schema.alterTable('containers', (table) => {
        table.integer('restart_count').notNullable().defaultTo(0);
      });
    },
  },
  {
    name: '0006-base',
    async up(knex) {
      await knex.schema.alterTable('containers', (table) => {
        // Container.base as JSON; null in containers of older agents.
        table.text('base');
      });
    },
  },
];
