import type { Knex } from 'knex';
import { parseDigest } from '../../../oci/digest.ts';
import type { BrowsedTag, DeletedTag, Listed, SortedPage, TagSort } from './browse-catalog.ts';
import { anywhere, collected, jsonSql, rowsOf } from './json-sql.ts';
import { dateOf, orderSql, pageOfRows } from './sorted-page.ts';

/** Maximum blobs of one manifest that are added up, and of all manifests of a page: 10 µs each. */
const MOST_BLOBS = 1000;
const MOST_BLOBS_OF_PAGE = 10_000;
/** Maximum platforms of an index in a list. */
const MOST_PLATFORMS = 20;
/** Maximum characters of an artifact type, which may be as long as a manifest. */
const LONGEST_TYPE = 255;
/** Number of latest deletions that are searched for tags that can be restored. */
const MOST_DELETIONS = 2000;
const MOST_DELETED = 100;

export const ARTIFACT_TYPE = `substr(m.artifact_type, 1, ${LONGEST_TYPE}) as artifact_type`;

/**
 * SQL for the bytes of the manifest in row `m` and everything that it needs, each blob once: null for more than one
 * statement should add up. Members of members count too. SQLite joins in the order of CROSS JOIN; PostgreSQL, which
 * assumes repositories of average size, would read whole tables if it could choose the join, so rows are looked up by
 * subqueries. A step of the recursion reads a whole manifest before the limit applies, so `position` ends it.
 */
export const contentSize = (most: number = MOST_BLOBS) => `(
  with recursive held (digest, is_manifest) as (
    select m.digest, 1
    union
    select h.digest, case when h.kind = 'manifest' then 1 else 0 end from held
      cross join manifest_references h where h.repository_id = m.repository_id and h.manifest_digest = held.digest
        and h.position <= ${most} and h.kind <> 'subject' and held.is_manifest = 1
  )
  select case when count(*) > ${most} then null else sum((
      select coalesce(l.size, (select b.size from blobs b where b.digest = l.digest)) from blob_links l
        where l.repository_id = m.repository_id and l.digest = content.digest
    )) end
    from (select distinct digest from (select digest from held limit ${most + 1}) as part) as content
)`;

const PLATFORMS = (collect: (column: string) => string) => `(
  select ${collect('platform')} from (
    select x.platform from manifest_references x
      where x.repository_id = m.repository_id and x.manifest_digest = m.digest and x.platform is not null
      order by x.position limit ${MOST_PLATFORMS}
  ) as named
)`;

interface TagRow {
  readonly name: string;
  readonly digest: string;
  readonly media_type: string;
  readonly artifact_type: string | null;
  readonly content_size: number | string | null;
  readonly platforms: string | readonly string[] | null;
  readonly updated_at: number | string;
  readonly pushed_by: string | null;
  readonly pulled_at: number | string | null;
}

/** Each order has an index of tags. */
const ORDERS: Readonly<Record<TagSort, readonly string[]>> = {
  name: ['name'],
  time: ['updated_at', 'name'],
};

/** Returns a page of tags in one statement, which reads only the rows that it shows, unless it searches. */
export async function listTags(
  knex: Knex,
  repository: string,
  { sort, order, search, limit, after }: SortedPage<TagSort>,
): Promise<Listed<BrowsedTag> | undefined> {
  const found = await knex('repositories').where({ name: repository }).first('id');
  if (found === undefined) return undefined;
  const sql = jsonSql(knex);
  const sorted = orderSql(ORDERS[sort], order ?? (sort === 'name' ? 'ascending' : 'descending'), after);
  const most = Math.min(MOST_BLOBS, Math.floor(MOST_BLOBS_OF_PAGE / limit));
  const rows = await rowsOf<TagRow>(
    knex,
    `with page as (
        select t.repository_id, t.name, t.manifest_digest, t.updated_at, t.pushed_by from tags t
          where t.repository_id = ? ${sorted.condition} ${search === undefined ? '' : `and ${sql.like('t.name')}`}
          order by ${sorted.order} limit ?
      )
      select p.name, p.updated_at, m.digest, m.media_type, ${ARTIFACT_TYPE}, ${contentSize(most)} as content_size,
          ${PLATFORMS(sql.collect)} as platforms,
          coalesce(p.pushed_by, (select h.who from tag_history h
            where h.repository_id = p.repository_id and h.name = p.name order by h.id desc limit 1)) as pushed_by,
          (select max(pulled_at) from (
            select x.pulled_at from pulls x where x.repository_id = p.repository_id and x.reference = p.name
            union all
            select x.pulled_at from pulls x where x.repository_id = p.repository_id and x.reference = p.manifest_digest
          ) as either) as pulled_at
        from page p join manifests m on m.repository_id = p.repository_id and m.digest = p.manifest_digest
        order by ${sorted.order}`,
    [found.id, ...sorted.values, ...(search === undefined ? [] : [anywhere(search)]), limit + 1],
  );
  return pageOfRows(rows, limit, tagOf, (row) =>
    sort === 'name' ? [row.name] : [Number(row.updated_at), row.name],
  );
}

function tagOf(row: TagRow): BrowsedTag {
  const lastPull = dateOf(row.pulled_at);
  return {
    name: row.name,
    digest: parseDigest(row.digest),
    mediaType: row.media_type,
    ...(row.artifact_type !== null && { artifactType: row.artifact_type }),
    ...(row.content_size !== null && { size: Number(row.content_size) }),
    platforms: collected(row.platforms),
    pushedAt: new Date(Number(row.updated_at)),
    ...(row.pushed_by && { pushedBy: row.pushed_by }),
    ...(lastPull && { lastPull }),
  };
}

interface DeletedRow {
  readonly name: string;
  readonly digest: string;
  readonly changed_at: number | string;
  readonly who: string | null;
}

/** Lists those of the latest deletions whose tag is still deleted and whose manifest still exists. */
export async function listDeletedTags(knex: Knex, repository: string): Promise<readonly DeletedTag[]> {
  const found = await knex('repositories').where({ name: repository }).first('id');
  if (found === undefined) return [];
  const rows = await rowsOf<DeletedRow>(
    knex,
    `select d.name, m.digest, d.changed_at, d.who from (
        select h.id, h.repository_id, h.name, h.changed_at, h.who from tag_history h
          where h.repository_id = ? and h.manifest_digest is null
          order by h.id desc limit ${MOST_DELETIONS}
      ) as d
      join manifests m on m.repository_id = d.repository_id and m.digest = (
        select b.manifest_digest from tag_history b
          where b.repository_id = d.repository_id and b.name = d.name and b.id < d.id order by b.id desc limit 1
      )
      where not exists (
        select 1 from tag_history l where l.repository_id = d.repository_id and l.name = d.name and l.id > d.id
      )
      order by d.id desc limit ${MOST_DELETED}`,
    [found.id],
  );
  return rows.map(({ name, digest, changed_at, who }) => ({
    name,
    digest: parseDigest(digest),
    deletedAt: new Date(Number(changed_at)),
    ...(who && { deletedBy: who }),
  }));
}
