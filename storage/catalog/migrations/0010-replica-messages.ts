import type { Knex } from 'knex';
import type { Migration } from '../migrate.ts';
import { isPostgres } from '../rows.ts';

/**
 * Messages between replicas. They are short-lived and may be lost when the server restarts. SQLite has only one
 * registry.
 */
export const createReplicaMessages: Migration = {
  name: '0010-replica-messages',
  async up(knex: Knex.Transaction) {
    if (!isPostgres(knex)) return;
    await knex.raw(
      `create unlogged table replica_messages (
        id bigserial primary key,
        recipient varchar(64) not null,
        sender varchar(64) not null,
        channel varchar(64) not null,
        kind varchar(16) not null,
        payload bytea not null,
        sent_at timestamptz not null default clock_timestamp())`,
    );
    await knex.raw('create index replica_messages_recipient on replica_messages (recipient, id)');
  },
};
