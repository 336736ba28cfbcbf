import type { Knex } from 'knex';
import type { Migration } from '../../storage/catalog/migrate.ts';

/** `sha512:` and 128 digits. */
const DIGEST = 135;

/** Images of this host and their names. Times are milliseconds since 1970. */
const createImageTables: Migration = {
  name: '0001-images',
  async up(knex) {
    await knex.schema.createTable('images', (table) => {
      table.string('id', DIGEST).primary();
      table.string('manifest_digest', DIGEST).notNullable();
      table.bigInteger('size').notNullable();
      table.bigInteger('pulled_at').notNullable();
    });
    await createNames(knex, 'image_tags', 'tag');
    await createNames(knex, 'image_digests', 'digest');
  },
};

async function createNames(knex: Knex.Transaction, tableName: string, column: string): Promise<void> {
  await knex.schema.createTable(tableName, (table) => {
    table.string('registry', 255).notNullable();
    table.string('repository', 255).notNullable();
    table.string(column, DIGEST).notNullable();
    table.string('image_id', DIGEST).notNullable().references('id').inTable('images').onDelete('CASCADE');
    table.primary(['registry', 'repository', column]);
    table.index(['image_id']);
  });
}

/** The registries' descriptors of layers, and their places. */
const createLayerTables: Migration = {
  name: '0002-layer-blobs',
  async up(knex) {
    await knex.schema.createTable('layer_blobs', (table) => {
      table.string('diff_id', DIGEST).notNullable();
      table.string('digest', DIGEST).notNullable();
      table.string('media_type', 255).notNullable();
      table.bigInteger('size').notNullable();
      table.bigInteger('seen_at').notNullable();
      table.primary(['diff_id', 'digest']);
      table.index(['digest']);
    });
    await knex.schema.createTable('layer_places', (table) => {
      table.string('digest', DIGEST).notNullable();
      table.string('registry', 255).notNullable();
      table.string('repository', 255).notNullable();
      table.bigInteger('seen_at').notNullable();
      table.primary(['digest', 'registry', 'repository']);
    });
  },
};

/** Attestations of images that were built here. */
const createAttestations: Migration = {
  name: '0003-attestations',
  async up(knex) {
    await knex.schema.createTable('image_attestations', (table) => {
      table.string('image_id', DIGEST).notNullable().references('id').inTable('images').onDelete('CASCADE');
      table.string('predicate_type', 255).notNullable();
      table.text('predicate').notNullable();
      table.primary(['image_id', 'predicate_type']);
    });
  },
};

/** Images of several platforms that were built as one. */
const createIndexes: Migration = {
  name: '0004-image-indexes',
  async up(knex) {
    await knex.schema.createTable('image_indexes', (table) => {
      table.string('image_id', DIGEST).primary().references('id').inTable('images').onDelete('CASCADE');
      table.text('members').notNullable();
    });
  },
};

/** Time of an image's last `docker tag`; null without one. */
const addTagTime: Migration = {
  name: '0005-tagged-at',
  async up(knex) {
    await knex.schema.alterTable('images', (table) => {
      table.bigInteger('tagged_at');
    });
  },
};

/** Time when this host compressed a layer; null for a form from elsewhere, which may not be reproducible. */
const addMadeTime: Migration = {
  name: '0006-layer-made-at',
  async up(knex) {
    await knex.schema.alterTable('layer_blobs', (table) => {
      table.bigInteger('made_at');
    });
  },
};

/** The parent image of a commit; null for other images. */
const addParent: Migration = {
  name: '0007-parent',
  async up(knex) {
    await knex.schema.alterTable('images', (table) => {
      table.string('parent', DIGEST);
    });
  },
};

export const imageMigrations: readonly Migration[] = [
  createImageTables,
  createLayerTables,
  createAttestations,
  createIndexes,
  addTagTime,
  addMadeTime,
  addParent,
];
