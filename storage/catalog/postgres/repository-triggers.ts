import type { Knex } from 'knex';

/** Makes a trigger that appends one row to repository_deltas for each repository that a statement changes. */
function append(
  name: string,
  { table, on, rows }: { readonly table: string; readonly on: string; readonly rows: string },
  values: Readonly<Record<string, string>>,
  more = '',
): readonly string[] {
  return [
    `create function ${name}() returns trigger language plpgsql as $$
      begin
        insert into repository_deltas (repository_id, ${Object.keys(values).join(', ')})
          select repository_id, ${Object.values(values).join(', ')} from changed group by repository_id;
        ${more}
        return null;
      end
    $$`,
    `create trigger ${name} after ${on} on ${table} referencing ${rows} table as changed
      for each statement execute function ${name}()`,
  ];
}

const LINKED =
  'coalesce(sum(coalesce(changed.size, (select b.size from blobs b where b.digest = changed.digest))), 0)';
const FORGET_PULLS = (reference: string) =>
  `delete from pulls p using changed c where p.repository_id = c.repository_id and p.reference = c.${reference};`;

/** The triggers of migrations/0012-browse.ts for PostgreSQL. */
export const COUNT_REPOSITORIES: readonly string[] = [
  `create function begin_repository_stats() returns trigger language plpgsql as $$
    begin
      insert into repository_stats (repository_id, name) select id, name from changed;
      return null;
    end
  $$`,
  `create trigger begin_repository_stats after insert on repositories referencing new table as changed
    for each statement execute function begin_repository_stats()`,
  ...append('count_linked', { table: 'blob_links', on: 'insert', rows: 'new' }, { size: LINKED }),
  ...append('count_unlinked', { table: 'blob_links', on: 'delete', rows: 'old' }, { size: `-${LINKED}` }),
  ...append(
    'count_manifests',
    { table: 'manifests', on: 'insert', rows: 'new' },
    { manifests: 'count(*)', pushed_at: 'max(pushed_at)' },
  ),
  ...append(
    'count_pushes',
    { table: 'manifests', on: 'update', rows: 'new' },
    { pushed_at: 'max(pushed_at)' },
  ),
  ...append(
    'count_no_manifests',
    { table: 'manifests', on: 'delete', rows: 'old' },
    { manifests: '-count(*)' },
    FORGET_PULLS('digest'),
  ),
  ...append('count_tags', { table: 'tags', on: 'insert', rows: 'new' }, { tags: 'count(*)' }),
  ...append(
    'count_no_tags',
    { table: 'tags', on: 'delete', rows: 'old' },
    { tags: '-count(*)' },
    FORGET_PULLS('name'),
  ),
];

export const COUNT_PULLS: readonly string[] = [
  ...append('count_pulls', { table: 'pulls', on: 'insert', rows: 'new' }, { pulled_at: 'max(pulled_at)' }),
  ...append(
    'count_pulls_again',
    { table: 'pulls', on: 'update', rows: 'new' },
    { pulled_at: 'max(pulled_at)' },
  ),
];

/** Maximum deltas that one statement folds. */
const FOLDED_AT_ONCE = 20_000;

const FOLD = `
  with few as (select id from repository_deltas order by id limit ${FOLDED_AT_ONCE} for update skip locked),
    folded as (
      delete from repository_deltas d using few where d.id = few.id
        returning d.repository_id, d.size, d.manifests, d.tags, d.pushed_at, d.pulled_at
    ),
    summed as (
      select repository_id, sum(size) as size, sum(manifests) as manifests, sum(tags) as tags,
          max(pushed_at) as pushed_at, max(pulled_at) as pulled_at, count(*) as rows
        from folded group by repository_id
    ),
    added as (
      update repository_stats s set size = s.size + a.size, manifests = s.manifests + a.manifests,
          tags = s.tags + a.tags, pushed_at = greatest(s.pushed_at, a.pushed_at),
          pulled_at = greatest(s.pulled_at, a.pulled_at)
        from summed a where s.repository_id = a.repository_id
    )
  select coalesce(sum(rows), 0) as rows from summed`;

/** Adds the pending rows of writers to the counts of their repositories. Concurrent runs are harmless. */
export async function foldRepositoryDeltas(knex: Knex): Promise<void> {
  for (;;) {
    const { rows } = await knex.raw(FOLD);
    if (Number(rows[0].rows) < FOLDED_AT_ONCE) return;
  }
}
