import type { Knex } from 'knex';
import type { Migration } from '../migrate.ts';

/** The members of an index ordered by digest, so that a window can be read without the others. */
export const indexMembers: Migration = {
  name: '0007-index-members',
  async up(knex: Knex.Transaction) {
    await knex.raw(
      `create index manifest_references_members on manifest_references (repository_id, manifest_digest, digest)
        where kind = 'manifest'`,
    );
  },
};
