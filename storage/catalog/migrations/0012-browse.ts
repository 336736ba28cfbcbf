import type { Knex } from 'knex';
import type { Migration } from '../migrate.ts';
import {
  COUNT_REPOSITORIES as COUNT_ON_POSTGRES,
  COUNT_PULLS as PULLS_ON_POSTGRES,
} from '../postgres/repository-triggers.ts';
import { isPostgres } from '../rows.ts';
import { byteOrdered } from './0001-catalog.ts';

/**
 * Columns of the lists of repositories and tags, and their orders. Times are milliseconds since 1970; 0 means never, or
 * unknown.
 */
export const createBrowse: Migration = {
  name: '0012-browse',
  async up(knex) {
    await createStats(knex);
    await createPulls(knex);
    // Account of the last push; '' for anonymous clients, null for pushes older than this column.
    for (const name of ['manifests', 'tags']) {
      await knex.schema.alterTable(name, (table) => {
        table.string('pushed_by', 255);
      });
    }
    // Platform of a member, as its index states it: linux/amd64.
    await knex.schema.alterTable('manifest_references', (table) => {
      table.string('platform', 64);
    });
    await knex.schema.alterTable('tags', (table) => {
      table.index(['repository_id', 'updated_at', 'name'], 'tags_by_time');
    });
    await knex.raw(
      'create index tag_history_deleted on tag_history (repository_id, id) where manifest_digest is null',
    );
  },
};

/** Creates the counts, maintained by triggers, so that no program can forget them. */
async function createStats(knex: Knex.Transaction): Promise<void> {
  await knex.schema.createTable('repository_stats', (table) => {
    table.integer('repository_id').primary().references('id').inTable('repositories').onDelete('CASCADE');
    // The repository's name, which never changes, so that an index can contain it.
    byteOrdered(knex, table.string('name', 255).notNullable()).unique();
    for (const column of ['size', 'manifests', 'tags', 'pushed_at', 'pulled_at']) {
      table.bigInteger(column).notNullable().defaultTo(0);
    }
    for (const column of ['size', 'pushed_at', 'pulled_at']) {
      table.index([column, 'name'], `repository_stats_by_${column}`);
    }
  });
  await knex.raw(COUNT_ALL);
  if (isPostgres(knex)) {
    // Pending additions to repository_stats: writers append rows, so that they do not wait for each other.
    await knex.schema.createTable('repository_deltas', (table) => {
      table.bigIncrements('id');
      table.integer('repository_id').notNullable();
      for (const column of ['size', 'manifests', 'tags', 'pushed_at', 'pulled_at']) {
        table.bigInteger(column).notNullable().defaultTo(0);
      }
    });
  }
  for (const statement of isPostgres(knex) ? COUNT_ON_POSTGRES : COUNT_REPOSITORIES)
    await knex.raw(statement);
}

async function createPulls(knex: Knex.Transaction): Promise<void> {
  await knex.schema.createTable('pulls', (table) => {
    table.integer('repository_id').notNullable().references('id').inTable('repositories').onDelete('CASCADE');
    // A tag or a digest: only a digest has a colon.
    byteOrdered(knex, table.string('reference', 135).notNullable());
    table.bigInteger('pulled_at').notNullable();
    table.primary(['repository_id', 'reference']);
  });
  for (const statement of isPostgres(knex) ? PULLS_ON_POSTGRES : COUNT_PULLS) await knex.raw(statement);
}

/** Counts everything, with one pass over each table. */
const COUNT_ALL = `
  insert into repository_stats (repository_id, name, size, manifests, tags, pushed_at)
    select r.id, r.name, coalesce(l.size, 0), coalesce(m.manifests, 0), coalesce(t.tags, 0), coalesce(m.pushed_at, 0)
      from repositories r
      left join (
        select x.repository_id, sum(coalesce(x.size, (select b.size from blobs b where b.digest = x.digest))) as size
          from blob_links x group by x.repository_id
      ) l on l.repository_id = r.id
      left join (
        select repository_id, count(*) as manifests, max(pushed_at) as pushed_at from manifests group by repository_id
      ) m on m.repository_id = r.id
      left join (select repository_id, count(*) as tags from tags group by repository_id) t on t.repository_id = r.id`;

/** For SQLite, whose writers run one after the other. */
const COUNT_REPOSITORIES: readonly string[] = [
  `create trigger repository_stats_begin after insert on repositories begin
    insert into repository_stats (repository_id, name) values (new.id, new.name);
  end`,
  `create trigger repository_stats_link after insert on blob_links begin
    update repository_stats
      set size = size + coalesce(new.size, (select b.size from blobs b where b.digest = new.digest), 0)
      where repository_id = new.repository_id;
  end`,
  `create trigger repository_stats_unlink after delete on blob_links begin
    update repository_stats
      set size = size - coalesce(old.size, (select b.size from blobs b where b.digest = old.digest), 0)
      where repository_id = old.repository_id;
  end`,
  `create trigger repository_stats_manifest after insert on manifests begin
    update repository_stats set manifests = manifests + 1, pushed_at = max(pushed_at, new.pushed_at)
      where repository_id = new.repository_id;
  end`,
  `create trigger repository_stats_again after update of pushed_at on manifests begin
    update repository_stats set pushed_at = max(pushed_at, new.pushed_at) where repository_id = new.repository_id;
  end`,
  `create trigger repository_stats_no_manifest after delete on manifests begin
    update repository_stats set manifests = manifests - 1 where repository_id = old.repository_id;
    delete from pulls where repository_id = old.repository_id and reference = old.digest;
  end`,
  `create trigger repository_stats_tag after insert on tags begin
    update repository_stats set tags = tags + 1 where repository_id = new.repository_id;
  end`,
  `create trigger repository_stats_no_tag after delete on tags begin
    update repository_stats set tags = tags - 1 where repository_id = old.repository_id;
    delete from pulls where repository_id = old.repository_id and reference = old.name;
  end`,
];

const COUNT_PULLS: readonly string[] = ['insert', 'update'].map(
  (change) => `create trigger repository_stats_pull_${change} after ${change} on pulls begin
    update repository_stats set pulled_at = max(pulled_at, new.pulled_at) where repository_id = new.repository_id;
  end`,
);
