import type { Knex } from 'knex';
import type { Migration } from '../migrate.ts';
import { isPostgres } from '../rows.ts';

/**
 * The first tables: repositories, blobs, manifests, tags and uploads. The migrations after it add others, and columns to
 * these. Times are milliseconds since 1970.
 */
export const createCatalog: Migration = {
  name: '0001-catalog',
  async up(knex) {
    await createRepositories(knex);
    await createBlobs(knex);
    await createManifests(knex);
    await createUploads(knex);
  },
};

/** `sha512:` and 128 digits. */
const DIGEST = 135;

async function createRepositories(knex: Knex.Transaction): Promise<void> {
  await knex.schema.createTable('repositories', (table) => {
    table.increments('id');
    byteOrdered(knex, table.string('name', 255).notNullable()).unique();
    table.text('description');
    table.bigInteger('created_at').notNullable();
  });
}

async function createBlobs(knex: Knex.Transaction): Promise<void> {
  await knex.schema.createTable('blobs', (table) => {
    byteOrdered(knex, table.string('digest', DIGEST)).primary();
    table.bigInteger('size').notNullable();
    table.text('location').notNullable();
    table.bigInteger('created_at').notNullable();
  });
  await knex.schema.createTable('blob_links', (table) => {
    table.integer('repository_id').notNullable().references('id').inTable('repositories');
    byteOrdered(knex, table.string('digest', DIGEST)).notNullable().references('digest').inTable('blobs');
    table.bigInteger('created_at').notNullable();
    // Time of its last push, mount or check by a pusher, or when its last reference was removed: the start of the grace
    // period.
    table.bigInteger('touched_at').notNullable();
    table.primary(['repository_id', 'digest']);
    table.index(['digest']);
  });
}

async function createManifests(knex: Knex.Transaction): Promise<void> {
  await knex.schema.createTable('manifests', (table) => {
    table.integer('repository_id').notNullable().references('id').inTable('repositories');
    byteOrdered(knex, table.string('digest', DIGEST)).notNullable().references('digest').inTable('blobs');
    table.text('media_type').notNullable();
    table.text('artifact_type');
    table.text('annotations');
    byteOrdered(knex, table.string('subject', DIGEST));
    table.bigInteger('pushed_at').notNullable();
    table.primary(['repository_id', 'digest']);
    table.index(['digest']);
    table.index(['repository_id', 'subject', 'digest']);
  });
  await knex.schema.createTable('manifest_references', (table) => {
    table.integer('repository_id').notNullable();
    byteOrdered(knex, table.string('manifest_digest', DIGEST)).notNullable();
    table.integer('position').notNullable();
    table.string('kind', 16).notNullable();
    // No foreign key: a subject, and with sparse indexes a manifest, may be missing.
    byteOrdered(knex, table.string('digest', DIGEST)).notNullable();
    table.primary(['repository_id', 'manifest_digest', 'position']);
    table
      .foreign(['repository_id', 'manifest_digest'])
      .references(['repository_id', 'digest'])
      .inTable('manifests');
    table.index(['repository_id', 'digest']);
    table.index(['digest']);
  });
  await knex.schema.createTable('tags', (table) => {
    table.integer('repository_id').notNullable();
    byteOrdered(knex, table.string('name', 128).notNullable());
    byteOrdered(knex, table.string('manifest_digest', DIGEST)).notNullable();
    table.bigInteger('updated_at').notNullable();
    table.primary(['repository_id', 'name']);
    table
      .foreign(['repository_id', 'manifest_digest'])
      .references(['repository_id', 'digest'])
      .inTable('manifests');
    table.index(['repository_id', 'manifest_digest']);
  });
}

async function createUploads(knex: Knex.Transaction): Promise<void> {
  await knex.schema.createTable('uploads', (table) => {
    table.string('id', 36).primary();
    // By name: an upload alone does not make a repository.
    table.string('repository', 255).notNullable();
    table.bigInteger('size').notNullable();
    table.text('detail').notNullable();
    table.bigInteger('started_at').notNullable();
    table.bigInteger('touched_at').notNullable().index();
  });
}

/** Makes a text column sort by bytes, as the distribution API lists names; SQLite's columns do so already. */
export function byteOrdered(knex: Knex.Transaction, column: Knex.ColumnBuilder): Knex.ColumnBuilder {
  return isPostgres(knex) ? column.collate('C') : column;
}
