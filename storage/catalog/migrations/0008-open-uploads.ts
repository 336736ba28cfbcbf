import type { Knex } from 'knex';
import type { Migration } from '../migrate.ts';

/** Accounts and claimed sizes of uploads, and times of deletion of blobs. */
export const accountForUploads: Migration = {
  name: '0008-open-uploads',
  async up(knex: Knex.Transaction) {
    await knex.schema.alterTable('uploads', (table) => {
      // The account; '' for nobody.
      table.string('account', 255).notNullable().defaultTo('').index();
      // Bytes that the upload has when the chunk that is being written has come; less than `size` when none is.
      table.bigInteger('claimed').notNullable().defaultTo(0);
    });
    await knex.schema.alterTable('blobs', (table) => {
      // When a repository let go of it by a delete: begins the grace period, as a link's touched_at does.
      table.bigInteger('unlinked_at');
    });
  },
};
