import type { Knex } from 'knex';
import { type Digest, parseDigest } from '../../../oci/digest.ts';
import type { BlobSharing, BrowsedManifest, ManifestKey, VisibleNames } from './browse-catalog.ts';
import { ARTIFACT_TYPE, contentSize } from './browse-tags.ts';
import { collected, jsonSql, rowsOf } from './json-sql.ts';
import { dateOf } from './sorted-page.ts';

const MOST_TAGS = 100;
const MOST_TAGS_COUNTED = 10_000;
/** Maximum tags of a manifest that are read. */
const MOST_TAGS_READ = 1000;
const MOST_INDEXES = 20;

interface ManifestRow {
  readonly digest: string;
  readonly media_type: string;
  readonly artifact_type: string | null;
  readonly size: number | string;
  readonly content_size: number | string | null;
  readonly pushed_at: number | string;
  readonly pushed_by: string | null;
  readonly pulled_at: number | string | null;
  readonly tags: string | readonly string[] | null;
  readonly tag_count: number | string;
  readonly indexes: string | readonly string[] | null;
}

/** Tags of the manifest in row `m`, by the index on its digest; sorted later. */
const TAGS = `select t.name from tags t
  where t.repository_id = m.repository_id and t.manifest_digest = m.digest limit ${MOST_TAGS_READ}`;

/**
 * Finds a manifest in one statement. `coalesce` avoids the partial index on members of indexes, which begins with the
 * index.
 */
export async function findManifest(
  knex: Knex,
  repository: string,
  reference: ManifestKey,
): Promise<BrowsedManifest | undefined> {
  const { collect } = jsonSql(knex);
  const ofTag = 'select y.manifest_digest from tags y where y.repository_id = r.id and y.name = ?';
  const rows = await rowsOf<ManifestRow>(
    knex,
    `select m.digest, m.media_type, ${ARTIFACT_TYPE}, f.size, ${contentSize()} as content_size, m.pushed_at, m.pushed_by,
        (select max((select p.pulled_at from pulls p
            where p.repository_id = m.repository_id and p.reference = named.reference))
          from (select m.digest as reference union all select name from (${TAGS}) as tagged) as named) as pulled_at,
        (select ${collect('name')} from (select name from (${TAGS}) as named order by name limit ${MOST_TAGS}) as few)
          as tags,
        (select count(*) from (select 1 from tags t where t.repository_id = m.repository_id
          and t.manifest_digest = m.digest limit ${MOST_TAGS_COUNTED}) as counted) as tag_count,
        (select ${collect('manifest_digest')} from (select x.manifest_digest from manifest_references x
          where x.repository_id = m.repository_id and x.digest = m.digest and coalesce(x.kind, '') = 'manifest'
          limit ${MOST_INDEXES}) as listing) as indexes
      from repositories r join manifests m on m.repository_id = r.id join blobs f on f.digest = m.digest
      where r.name = ? and m.digest = ${'digest' in reference ? '?' : `(${ofTag})`}`,
    [repository, 'digest' in reference ? reference.digest : reference.tag],
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  const lastPull = dateOf(row.pulled_at);
  return {
    digest: parseDigest(row.digest),
    mediaType: row.media_type,
    ...(row.artifact_type !== null && { artifactType: row.artifact_type }),
    size: Number(row.size),
    ...(row.content_size !== null && { contentSize: Number(row.content_size) }),
    pushedAt: new Date(Number(row.pushed_at)),
    ...(row.pushed_by && { pushedBy: row.pushed_by }),
    ...(lastPull && { lastPull }),
    tags: collected(row.tags),
    tagCount: Number(row.tag_count),
    indexes: collected(row.indexes).map(parseDigest),
  };
}

const MOST_NAMES = 10;
const MOST_COUNTED = 1000;
/** Maximum rows that one query about many blobs reads for each kind of number. */
const ROWS_READ = 20_000;

interface SharingRow {
  readonly digest: string;
  readonly size: number | string | null;
  readonly manifests: number | string;
  readonly names: string | readonly string[] | null;
}

/**
 * Returns the other holders of blobs. Base layers may be in all repositories: with more digests, less of each is
 * counted.
 */
export async function shareBlobs(
  knex: Knex,
  repository: string,
  manifest: Digest,
  digests: readonly Digest[],
  visible: VisibleNames,
): Promise<readonly BlobSharing[]> {
  if (digests.length === 0) return [];
  const { list, collect } = jsonSql(knex);
  const counted = Math.min(MOST_COUNTED, Math.ceil(ROWS_READ / digests.length));
  const looked = Math.ceil(counted / 5);
  const rows = await rowsOf<SharingRow>(
    knex,
    `select d.value as digest,
        (select coalesce(l.size, b.size) from blob_links l join blobs b on b.digest = l.digest
          where l.repository_id = r.id and l.digest = d.value) as size,
        (select count(*) from (select distinct x.manifest_digest from (select y.manifest_digest from manifest_references y
          where y.repository_id = r.id and y.digest = d.value and y.kind <> 'subject' and y.manifest_digest <> ?
          limit ${counted}) as x) as counted) as manifests,
        (select ${collect('name')} from (select s.name from
          (select o.repository_id from blob_links o where o.digest = d.value and o.repository_id <> r.id
            limit ${looked}) as others
          join repository_stats s on s.repository_id = others.repository_id order by s.name) as named) as names
      from repositories r cross join ${list} d where r.name = ? order by d.place`,
    [manifest, JSON.stringify(digests), repository],
  );
  return rows.map(({ digest, size, manifests, names }) => {
    // Counting hidden repositories would reveal who else has content that the visitor can guess.
    const seen = collected(names).filter((name) => visible.includes(name));
    return {
      digest: parseDigest(digest),
      ...(size !== null && { size: Number(size) }),
      manifests: Number(manifests),
      repositories: seen.slice(0, MOST_NAMES),
      repositoryCount: seen.length,
    };
  });
}
