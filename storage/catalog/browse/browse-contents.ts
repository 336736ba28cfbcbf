import type { Knex } from 'knex';
import { type Digest, parseDigest } from '../../../oci/digest.ts';
import { ImageRunsError, TagRefusedError } from '../../errors.ts';
import { refuseRunning } from '../release-images.ts';
import { policyOf } from '../repository-policy.ts';
import type { Actor } from '../tag-rule-catalog.ts';
import { refuseTagChange } from '../tag-rules.ts';
import type { DeletePlan, Listed, ListedManifest, SortKey } from './browse-catalog.ts';
import { ARTIFACT_TYPE, contentSize } from './browse-tags.ts';
import { collected, jsonSql, rowsOf } from './json-sql.ts';
import { pageOfRows } from './sorted-page.ts';

/** Maximum blobs of all manifests of a page that are added up: 10 µs each. */
const MOST_BLOBS_OF_PAGE = 10_000;
const MOST_TAGS = 20;
const MOST_TAGS_COUNTED = 10_000;
/** Maximum blobs of a repository that are checked for other holders. */
const MOST_LINKS = 100_000;
/** Tags that are compared with the rules per step. */
const TAGS_AT_ONCE = 10_000;
/** Maximum images of releases that are examined. */
const MOST_IMAGES = 1000;

const LISTED = `exists (select 1 from manifest_references x
  where x.repository_id = m.repository_id and x.digest = m.digest and coalesce(x.kind, '') = 'manifest')`;

interface ListedRow {
  readonly digest: string;
  readonly media_type: string;
  readonly artifact_type: string | null;
  readonly content_size: number | string | null;
  readonly pushed_at: number | string;
  readonly pushed_by: string | null;
  readonly subject: string | null;
  readonly is_member: boolean | number;
  readonly tags: string | readonly string[] | null;
  readonly tag_count: number | string;
}

/** Returns a page of the manifests of a repository, in the order of their digests. */
export async function listManifests(
  knex: Knex,
  repository: string,
  { limit, after }: { readonly limit: number; readonly after?: SortKey },
): Promise<Listed<ListedManifest> | undefined> {
  const found = await knex('repositories').where({ name: repository }).first('id');
  if (found === undefined) return undefined;
  const { collect } = jsonSql(knex);
  const most = Math.min(1000, Math.floor(MOST_BLOBS_OF_PAGE / limit));
  const rows = await rowsOf<ListedRow>(
    knex,
    `select m.digest, m.media_type, ${ARTIFACT_TYPE}, ${contentSize(most)} as content_size, m.pushed_at, m.pushed_by,
        m.subject, ${LISTED} as is_member,
        (select ${collect('name')} from (select t.name from tags t where t.repository_id = m.repository_id
          and t.manifest_digest = m.digest limit ${MOST_TAGS}) as few) as tags,
        (select count(*) from (select 1 from tags t where t.repository_id = m.repository_id
          and t.manifest_digest = m.digest limit ${MOST_TAGS_COUNTED}) as counted) as tag_count
      from manifests m where m.repository_id = ? ${after === undefined ? '' : 'and m.digest > ?'}
      order by m.digest limit ?`,
    [found.id, ...(after ?? []), limit + 1],
  );
  return pageOfRows(rows, limit, listedOf, ({ digest }) => [digest]);
}

function listedOf(row: ListedRow): ListedManifest {
  return {
    digest: parseDigest(row.digest),
    mediaType: row.media_type,
    ...(row.artifact_type !== null && { artifactType: row.artifact_type }),
    ...(row.content_size !== null && { size: Number(row.content_size) }),
    pushedAt: new Date(Number(row.pushed_at)),
    ...(row.pushed_by && { pushedBy: row.pushed_by }),
    ...(row.subject !== null && { subject: parseDigest(row.subject) }),
    isMember: Boolean(row.is_member),
    tags: collected(row.tags).toSorted(),
    tagCount: Number(row.tag_count),
  };
}

/** Returns what deleting a whole repository removes, and why it may be refused. */
export async function planDelete(knex: Knex, repository: string, by: Actor): Promise<DeletePlan | undefined> {
  const found = await knex('repositories').where({ name: repository }).first('id');
  if (found === undefined) return undefined;
  const [row] = await rowsOf<{
    readonly blobs: number | string;
    readonly total: number | string | null;
    readonly freed: number | string | null;
    readonly tags: number | string;
    readonly manifests: number | string;
  }>(
    knex,
    `select count(*) as blobs, sum(size) as total, sum(case when is_kept then 0 else size end) as freed,
        (select count(*) from tags where repository_id = ?) as tags,
        (select count(*) from manifests where repository_id = ?) as manifests
      from (
        select coalesce(l.size, b.size) as size,
            exists (select 1 from blob_links o where o.digest = l.digest and o.repository_id <> l.repository_id) as is_kept
          from (select * from blob_links where repository_id = ? limit ${MOST_LINKS + 1}) as l
          join blobs b on b.digest = l.digest
      ) as looked`,
    [found.id, found.id, found.id],
  );
  if (row === undefined || Number(row.manifests) === 0) return undefined;
  const freed = Number(row.freed ?? 0);
  const rule = await ruleAgainst(knex, found.id, repository, by);
  const running = await runningIn(knex, repository, by);
  return {
    tagCount: Number(row.tags),
    manifestCount: Number(row.manifests),
    bytesFreed: freed,
    bytesKept: Number(row.total ?? 0) - freed,
    complete: Number(row.blobs) <= MOST_LINKS,
    ...(rule !== undefined && { rule }),
    ...(running !== undefined && { running }),
  };
}

/** Returns the message of the first rule that refuses `by` to delete a tag of the repository. */
async function ruleAgainst(
  knex: Knex,
  id: number,
  repository: string,
  by: Actor,
): Promise<string | undefined> {
  const policy = await policyOf(knex, repository);
  if (policy.tagRules.length === 0) return undefined;
  for (let after = ''; ; ) {
    const tags: readonly { readonly name: string; readonly manifest_digest: string }[] = await knex('tags')
      .where({ repository_id: id })
      .andWhere('name', '>', after)
      .orderBy('name')
      .limit(TAGS_AT_ONCE)
      .select('name', 'manifest_digest');
    try {
      for (const { name, manifest_digest: before } of tags) {
        refuseTagChange(policy, by, { tag: name, before, after: undefined });
      }
    } catch (error) {
      if (error instanceof TagRefusedError) return error.message;
      throw error;
    }
    const last = tags.at(-1);
    if (last === undefined || tags.length < TAGS_AT_ONCE) return undefined;
    after = last.name;
  }
}

/** Returns the message about the first image of the repository that a release runs. */
async function runningIn(knex: Knex, repository: string, by: Actor): Promise<string | undefined> {
  const digests: readonly string[] = await knex('release_images')
    .where({ repository })
    .distinct('digest')
    .limit(MOST_IMAGES)
    .pluck('digest');
  try {
    for (const digest of digests) {
      await knex.transaction((trx) => refuseRunning(trx, { repository, digest: parseDigest(digest) }, by));
    }
    return undefined;
  } catch (error) {
    if (error instanceof ImageRunsError) return error.message;
    throw error;
  }
}

/** Lists manifests that no other manifest of the repository lists, so that an index is deleted before its members. */
export async function nextToDelete(
  knex: Knex,
  repository: string,
  limit: number,
): Promise<readonly { readonly digest: Digest; readonly tagCount: number }[]> {
  const rows = await rowsOf<{ readonly digest: string; readonly tag_count: number | string }>(
    knex,
    `select m.digest, (select count(*) from (select 1 from tags t where t.repository_id = m.repository_id
          and t.manifest_digest = m.digest limit ${MOST_TAGS_COUNTED}) as counted) as tag_count
      from repositories r join manifests m on m.repository_id = r.id
      where r.name = ? and not ${LISTED} limit ?`,
    [repository, limit],
  );
  return rows.map(({ digest, tag_count }) => ({ digest: parseDigest(digest), tagCount: Number(tag_count) }));
}
