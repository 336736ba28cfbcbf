import type { Knex } from 'knex';
import type { Migration } from '../migrate.ts';

/** Accounts and claimed sizes of uploads, and times of deletion of blobs. */
export const accountForUploads: Migration = {
  name: '0008-open-uploads',
  async up(knex: Knex.Transaction) {
    await knex.schema.alterTable('uploads', (table) => {
      // The account; '' for anonymous clients.
      table.string('account', 255).notNullable().defaultTo('').index();
      // Size of the upload at the end of the chunk being written, in bytes; less than `size` when none is written.
      table.bigInteger('claimed').notNullable().defaultTo(0);
    });
    await knex.schema.alterTable('blobs', (table) => {
      // Time of the last delete in a repository. It begins the grace period, as a link's touched_at does.
      table.bigInteger('unlinked_at');
    });
  },
};
