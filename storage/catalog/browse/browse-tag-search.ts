import type { Knex } from 'knex';
import { parseDigest } from '../../../oci/digest.ts';
import { isPostgres } from '../rows.ts';
import type { FoundTag, Listed, TagSearch } from './browse-catalog.ts';
import { ARTIFACT_TYPE } from './browse-tags.ts';
import { jsonSql, rowsOf } from './json-sql.ts';
import { pageOfRows } from './sorted-page.ts';
import { visibleSql } from './visible-names.ts';

/** Sorts after every character of a tag. */
const AFTER_ALL = '~';
/** Sorts before every character of a tag. */
const BEFORE_ALL = '!';

interface FoundRow {
  readonly repository: string;
  readonly name: string;
  readonly updated_at: number | string;
  readonly pushed_by: string | null;
  readonly digest: string;
  readonly media_type: string;
  readonly artifact_type: string | null;
}

/** SQL for tags of one repository that begin with the text, from the start of the page. */
const OF_REPOSITORY = `t.repository_id = s.repository_id
  and t.name >= case when s.name = ? then ? else ? end and t.name < ?`;

/**
 * Finds tags that begin with a text, by repository and tag. One statement searches the index of tags once for each
 * repository that the visitor may see, and stops when the page is full; it reads nothing of other repositories, so that
 * neither a cursor nor the number of rows depends on them.
 */
export async function findTags(
  knex: Knex,
  { visible, prefix, limit, after }: TagSearch,
): Promise<Listed<FoundTag>> {
  const names = await visibleSql(knex, jsonSql(knex), visible);
  if (names === undefined) return { entries: [] };
  const [repository = '', name = ''] = (after ?? []).map(String);
  const next = `${name}${BEFORE_ALL}`;
  const bounds = [repository, next > prefix ? next : prefix, prefix, `${prefix}${AFTER_ALL}`];
  // Without a limit of its own PostgreSQL may read all tags of all repositories to join them.
  const found = isPostgres(knex)
    ? {
        tags: `lateral (select t.* from tags t where ${OF_REPOSITORY} order by t.name limit ?) t`,
        condition: '',
        values: [...bounds, limit + 1, repository],
      }
    : { tags: 'tags t', condition: `and ${OF_REPOSITORY}`, values: [repository, ...bounds] };
  const rows = await rowsOf<FoundRow>(
    knex,
    `${names.tables}
      select s.name as repository, t.name, t.updated_at, t.pushed_by, m.digest, m.media_type, ${ARTIFACT_TYPE}
        from repository_stats s cross join ${found.tags} cross join manifests m
        where s.name >= ? ${names.condition} ${found.condition}
          and m.repository_id = t.repository_id and m.digest = t.manifest_digest
        order by s.name, t.name limit ?`,
    [...names.values, ...found.values, limit + 1],
  );
  return pageOfRows(rows, limit, tagOf, (row) => [row.repository, row.name]);
}

function tagOf(row: FoundRow): FoundTag {
  return {
    repository: row.repository,
    name: row.name,
    digest: parseDigest(row.digest),
    mediaType: row.media_type,
    ...(row.artifact_type !== null && { artifactType: row.artifact_type }),
    pushedAt: new Date(Number(row.updated_at)),
    ...(row.pushed_by && { pushedBy: row.pushed_by }),
  };
}
