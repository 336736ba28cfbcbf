import type { Knex } from 'knex';
import type { Migration } from '../migrate.ts';
import { COUNT_QUOTAS as COUNT_ON_POSTGRES } from '../postgres/quota-triggers.ts';
import { ANNOUNCE_AUDIT } from '../postgres/settled-audit.ts';
import { isPostgres } from '../rows.ts';
import { byteOrdered } from './0001-catalog.ts';

/** The audit, webhooks, tag rules and quotas. Times are milliseconds since 1970. */
export const createGuards: Migration = {
  name: '0004-guards',
  async up(knex) {
    await createAudit(knex);
    await createWebhooks(knex);
    await createTagRules(knex);
    await createQuotas(knex);
  },
};

async function createAudit(knex: Knex.Transaction): Promise<void> {
  await knex.schema.createTable('audit_events', (table) => {
    table.bigIncrements('id');
    table.bigInteger('at').notNullable().index();
    // Null for anonymous clients.
    table.string('who', 255);
    table.string('address', 64);
    table.string('action', 16).notNullable();
    table.string('outcome', 16).notNullable();
    table.string('repository', 255);
    table.string('digest', 135);
    table.string('tag', 128);
    table.string('media_type', 255);
    table.bigInteger('size');
    table.text('detail');
    // Number of similar events that this row represents.
    table.integer('count').notNullable();
  });
  if (isPostgres(knex)) for (const statement of ANNOUNCE_AUDIT) await knex.raw(statement);
}

async function createWebhooks(knex: Knex.Transaction): Promise<void> {
  await knex.schema.createTable('webhooks', (table) => {
    table.increments('id');
    table.string('name', 128).notNullable().unique();
    table.text('url').notNullable();
    table.string('events', 64).notNullable();
    matching(knex, table);
    // Signing needs the plain secret: it cannot be a hash.
    table.text('secret').notNullable();
    table.bigInteger('created_at').notNullable();
  });
  // A separate table, so that pushes, which read the webhooks, do not conflict with deliveries.
  await knex.schema.createTable('webhook_state', (table) => {
    table.integer('webhook_id').primary();
    table.bigInteger('dropped').notNullable();
    table.bigInteger('delivered_at');
    table.bigInteger('failed_at');
    table.text('failure');
  });
  await knex.schema.createTable('webhook_events', (table) => {
    table.bigIncrements('id');
    table.integer('webhook_id').notNullable();
    table.string('repository', 255).notNullable();
    table.text('event').notNullable();
    table.bigInteger('created_at').notNullable();
    table.index(['webhook_id', 'id']);
  });
}

async function createTagRules(knex: Knex.Transaction): Promise<void> {
  await knex.schema.createTable('tag_rules', (table) => {
    table.increments('id');
    matching(knex, table);
    table.string('tags', 128).notNullable();
    table.string('kind', 16).notNullable();
    table.unique(['pattern', 'tags']);
  });
}

async function createQuotas(knex: Knex.Transaction): Promise<void> {
  await knex.schema.createTable('quotas', (table) => {
    table.increments('id');
    matching(knex, table);
    table.bigInteger('bytes').notNullable();
    table.unique(['pattern']);
  });
  await knex.schema.createTable('quota_use', (table) => {
    table.integer('quota_id').primary();
    table.bigInteger('used').notNullable();
  });
  // The counted blobs, each once, with the number of links to it.
  await knex.schema.createTable('quota_blobs', (table) => {
    table.integer('quota_id').notNullable();
    byteOrdered(knex, table.string('digest', 135)).notNullable();
    table.bigInteger('size').notNullable();
    table.integer('links').notNullable();
    table.primary(['quota_id', 'digest']);
    table.index(['digest']);
  });
  for (const statement of isPostgres(knex) ? COUNT_ON_POSTGRES : COUNT_QUOTAS) await knex.raw(statement);
}

/** Converts a pattern of repositories to the form of LIKE. */
function matching(knex: Knex.Transaction, table: Knex.CreateTableBuilder): void {
  table.string('pattern', 255).notNullable();
  byteOrdered(knex, table.string('matches', 512).notNullable());
}

const COUNTED = "r.name like q.matches escape '!'";

/**
 * Keeps quota_blobs and quota_use in sync with the links of blobs, in the statements that change these, so that no
 * program can forget it. For SQLite.
 */
const COUNT_QUOTAS: readonly string[] = [
  `create trigger quota_link_insert after insert on blob_links when exists (select 1 from quotas) begin
    insert into quota_blobs (quota_id, digest, size, links)
      select q.id, new.digest, b.size, 1 from quotas q, repositories r, blobs b
        where r.id = new.repository_id and b.digest = new.digest and ${COUNTED}
      on conflict (quota_id, digest) do update set links = quota_blobs.links + 1;
  end`,
  `create trigger quota_link_delete after delete on blob_links when exists (select 1 from quotas) begin
    update quota_blobs set links = links - 1 where digest = old.digest and quota_id in
      (select q.id from quotas q, repositories r where r.id = old.repository_id and ${COUNTED});
    delete from quota_blobs where digest = old.digest and links <= 0;
  end`,
  `create trigger quota_blob_insert after insert on quota_blobs begin
    update quota_use set used = used + new.size where quota_id = new.quota_id;
  end`,
  `create trigger quota_blob_delete after delete on quota_blobs begin
    update quota_use set used = used - old.size where quota_id = old.quota_id;
  end`,
];
