import type { Knex } from 'knex';
import { foldRepositoryDeltas } from '../postgres/repository-triggers.ts';
import { isPostgres } from '../rows.ts';
import type {
  BrowsedQuota,
  BrowsedRepository,
  BrowsedRepositoryDetails,
  BrowsedTagRule,
  Listed,
  RepositoryPage,
  RepositorySort,
  SortKey,
  VisibleNames,
} from './browse-catalog.ts';
import { anywhere, jsonSql, rowsOf } from './json-sql.ts';
import { dateOf, orderSql, pageOfRows } from './sorted-page.ts';
import { visibleSql } from './visible-names.ts';

interface RepositoryRow {
  readonly name: string;
  readonly description: string | null;
  readonly size: number | string;
  readonly manifests: number | string;
  readonly tags: number | string;
  readonly pushed_at: number | string;
  readonly pulled_at: number | string;
}

/** Each order has an index of repository_stats. */
const ORDERS: Readonly<Record<RepositorySort, readonly string[]>> = {
  name: ['s.name'],
  size: ['s.size', 's.name'],
  pushed: ['s.pushed_at', 's.name'],
  pulled: ['s.pulled_at', 's.name'],
};

/** Looked up only for the rows of the page. */
const DESCRIPTION = '(select r.description from repositories r where r.id = s.repository_id)';
const COLUMNS = `s.name, s.size, s.manifests, s.tags, s.pushed_at, s.pulled_at, ${DESCRIPTION} as description`;

/**
 * Returns a page of the repositories that a visitor may see. On PostgreSQL the rows that writers have appended are
 * added up first.
 */
export async function listRepositories(
  knex: Knex,
  { visible, sort, order, search, limit, after }: RepositoryPage,
): Promise<Listed<BrowsedRepository>> {
  const sql = jsonSql(knex);
  const names = await visibleSql(knex, sql, visible);
  if (names === undefined) return { entries: [] };
  await addUp(knex);
  const sorted = orderSql(ORDERS[sort], order ?? (sort === 'name' ? 'ascending' : 'descending'), after);
  const found = search === undefined ? '' : `and (${sql.like('s.name')} or ${sql.like(DESCRIPTION)})`;
  const rows = await rowsOf<RepositoryRow>(
    knex,
    `${names.tables}
      select ${COLUMNS} from repository_stats s
        where s.manifests > 0 ${names.condition} ${sorted.condition} ${found}
        order by ${sorted.order} limit ?`,
    [
      ...names.values,
      ...sorted.values,
      ...(search === undefined ? [] : [anywhere(search), anywhere(search)]),
      limit + 1,
    ],
  );
  return pageOfRows(rows, limit, repositoryOf, (row) => keyOf(row, sort));
}

/** Returns the number of repositories that a visitor may see, and the sum of their sizes. */
export async function sumRepositories(
  knex: Knex,
  visible: VisibleNames,
): Promise<{ readonly repositories: number; readonly size: number }> {
  const names = await visibleSql(knex, jsonSql(knex), visible);
  if (names === undefined) return { repositories: 0, size: 0 };
  const [row] = await rowsOf<{ readonly repositories: number | string; readonly size: number | string }>(
    knex,
    `${names.tables}
      select count(*) as repositories, coalesce(sum(s.size), 0) as size from repository_stats s
        where s.manifests > 0 ${names.condition}`,
    names.values,
  );
  return { repositories: Number(row?.repositories ?? 0), size: Number(row?.size ?? 0) };
}

interface DetailsRow extends RepositoryRow {
  readonly created_at: number | string;
}

/** Includes quotas and tag rules: both tables are small. */
export async function findRepository(
  knex: Knex,
  name: string,
): Promise<BrowsedRepositoryDetails | undefined> {
  await addUp(knex);
  const [row] = await rowsOf<DetailsRow>(
    knex,
    `select ${COLUMNS}, o.created_at from repository_stats s join repositories o on o.id = s.repository_id
      where s.name = ? and s.manifests > 0`,
    [name],
  );
  if (row === undefined) return undefined;
  const quotas = await rowsOf<{ pattern: string; bytes: number | string; used: number | string }>(
    knex,
    `select q.pattern, q.bytes,
        u.used + coalesce((select sum(d.bytes) from quota_deltas d where d.quota_id = u.quota_id), 0) as used
      from quotas q join quota_use u on u.quota_id = q.id where ? like q.matches escape '!' order by q.pattern`,
    [name],
  );
  const tagRules = await rowsOf<BrowsedTagRule>(
    knex,
    "select pattern, tags, kind from tag_rules where ? like matches escape '!' order by pattern, tags",
    [name],
  );
  return {
    ...repositoryOf(row),
    createdAt: new Date(Number(row.created_at)),
    quotas: quotas.map(
      ({ pattern, bytes, used }): BrowsedQuota => ({ pattern, bytes: Number(bytes), used: Number(used) }),
    ),
    tagRules,
  };
}

/** Folds pending rows; SQLite counts in the transactions that make changes. */
async function addUp(knex: Knex): Promise<void> {
  if (isPostgres(knex)) await foldRepositoryDeltas(knex);
}

function repositoryOf(row: RepositoryRow): BrowsedRepository {
  const lastPush = dateOf(row.pushed_at);
  const lastPull = dateOf(row.pulled_at);
  return {
    name: row.name,
    ...(row.description !== null && { description: row.description }),
    tags: Number(row.tags),
    manifests: Number(row.manifests),
    size: Number(row.size),
    ...(lastPush && { lastPush }),
    ...(lastPull && { lastPull }),
  };
}

function keyOf(row: RepositoryRow, sort: RepositorySort): SortKey {
  switch (sort) {
    case 'name':
      return [row.name];
    case 'size':
      return [Number(row.size), row.name];
    case 'pushed':
      return [Number(row.pushed_at), row.name];
    case 'pulled':
      return [Number(row.pulled_at), row.name];
  }
}
