import type { Knex } from 'knex';
import type { Migration } from '../migrate.ts';

/** Hosts, apps, releases and their contents. Times are milliseconds since 1970. */
export const createFleet: Migration = {
  name: '0009-fleet',
  async up(knex) {
    await createHosts(knex);
    await createApps(knex);
  },
};

async function createHosts(knex: Knex.Transaction): Promise<void> {
  await knex.schema.createTable('join_tokens', (table) => {
    table.string('id', 64).primary();
    table.string('secret_hash', 128).notNullable().unique();
    table.text('labels').notNullable();
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('used_at');
    table.string('created_by', 255).notNullable();
  });
  await knex.schema.createTable('hosts', (table) => {
    table.string('id', 64).primary();
    table.string('name', 128).notNullable().unique();
    table.string('public_key', 64).notNullable();
    table.string('recipient', 128).notNullable();
    table.text('labels').notNullable();
    table.text('facts').notNullable();
    table.boolean('draining').notNullable().defaultTo(false);
    table.bigInteger('joined_at').notNullable();
    table.bigInteger('seen_at');
    // The host's connection to a replica; null without one.
    table.string('connection', 128);
    // Generation of the target.
    table.bigInteger('generation').notNullable().defaultTo(0);
  });
  await knex.schema.createTable('host_targets', (table) => {
    table.string('host', 64).notNullable().references('id').inTable('hosts').onDelete('CASCADE');
    table.string('app', 255).notNullable();
    table.text('target').notNullable();
    table.primary(['host', 'app']);
    table.index(['app']);
  });
  await knex.schema.createTable('host_reports', (table) => {
    table.string('host', 64).notNullable().references('id').inTable('hosts').onDelete('CASCADE');
    table.string('app', 255).notNullable();
    table.text('report').notNullable();
    table.bigInteger('reported_at').notNullable();
    table.primary(['host', 'app']);
    table.index(['app']);
  });
}

async function createApps(knex: Knex.Transaction): Promise<void> {
  await knex.schema.createTable('apps', (table) => {
    table.string('name', 255).primary();
    table.text('constraints').notNullable();
    table.string('follow', 16).notNullable();
    table.integer('latest').notNullable();
    table.integer('current');
    table.bigInteger('created_at').notNullable();
  });
  await knex.schema.createTable('releases', (table) => {
    table.string('app', 255).notNullable().references('name').inTable('apps').onDelete('CASCADE');
    table.integer('number').notNullable();
    table.text('spec').notNullable();
    table.text('images').notNullable();
    table.text('secrets').notNullable();
    table.text('cause').notNullable();
    table.string('state', 16).notNullable();
    table.text('reason');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('ended_at');
    table.primary(['app', 'number']);
  });
  // Images of releases that are roots of garbage collection; only images of this registry.
  await knex.schema.createTable('release_images', (table) => {
    table.string('app', 255).notNullable();
    table.integer('release').notNullable();
    table.string('service', 255).notNullable();
    table.string('repository', 255).notNullable();
    table.string('tag', 128);
    table.string('digest', 135).notNullable();
    table.primary(['app', 'release', 'service']);
    table.foreign(['app', 'release']).references(['app', 'number']).inTable('releases').onDelete('CASCADE');
    table.index(['repository', 'digest']);
    table.index(['repository', 'tag']);
  });
  await knex.schema.createTable('placements', (table) => {
    table.string('app', 255).notNullable().references('name').inTable('apps').onDelete('CASCADE');
    table.string('service', 255).notNullable();
    table.string('host', 64).notNullable().references('id').inTable('hosts').onDelete('CASCADE');
    table.text('instances').notNullable();
    table.primary(['app', 'service', 'host']);
  });
  await knex.schema.createTable('rollouts', (table) => {
    table.string('app', 255).primary().references('name').inTable('apps').onDelete('CASCADE');
    table.integer('release').notNullable();
    table.text('state').notNullable();
    table.bigInteger('revision').notNullable();
  });
  await knex.schema.createTable('app_secrets', (table) => {
    table.string('app', 255).notNullable();
    table.string('name', 255).notNullable();
    table.integer('version').notNullable();
    table.text('sealed').notNullable();
    table.bigInteger('created_at').notNullable();
    table.string('created_by', 255).notNullable();
    table.primary(['app', 'name', 'version']);
  });
}
