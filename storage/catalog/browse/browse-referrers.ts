import type { Knex } from 'knex';
import { type Digest, digestAlgorithm, digestHex, parseDigest } from '../../../oci/digest.ts';
import { isIndex } from '../../../oci/media-types.ts';
import type { BrowsedReferrer } from './browse-catalog.ts';
import { ARTIFACT_TYPE } from './browse-tags.ts';
import { jsonSql, rowsOf } from './json-sql.ts';

/** Maximum referrers of each kind. */
const MOST = 100;
/** Maximum characters of annotations in a list. */
const LONGEST_ANNOTATIONS = 16_384;
/** Suffixes of cosign's tags of referrers. */
const COSIGN_TAGS = ['.sig', '.att', '.sbom'] as const;

interface ReferrerRow {
  readonly about: string;
  readonly digest: string;
  readonly media_type: string;
  readonly artifact_type: string | null;
  readonly annotations: string | null;
  readonly size: number | string;
  readonly tag: string | null;
}

const COLUMNS = `m.digest, m.media_type, ${ARTIFACT_TYPE},
  case when length(m.annotations) <= ${LONGEST_ANNOTATIONS} then m.annotations end as annotations, f.size`;

/** The tag that lists the referrers of a manifest (distribution-spec, "Referrers Tag Schema"). */
function referrersTag(digest: Digest): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest).slice(0, 64)}`;
}

/** Lists manifests about others, in one statement after the repository is found. */
export async function listReferrers(
  knex: Knex,
  repository: string,
  digests: readonly Digest[],
): Promise<readonly BrowsedReferrer[]> {
  const found = await knex('repositories').where({ name: repository }).first('id');
  if (digests.length === 0 || found === undefined) return [];
  const { list } = jsonSql(knex);
  const byTag = new Map<string, Digest>();
  for (const digest of digests) {
    const tag = referrersTag(digest);
    for (const name of [tag, ...COSIGN_TAGS.map((ending) => `${tag}${ending}`)]) byTag.set(name, digest);
  }
  const rows = await rowsOf<ReferrerRow>(
    knex,
    `with asked as ${list}, tagged as ${list},
      by_subject as (
        select m.subject as about, m.repository_id, m.digest, null as tag
          from asked cross join manifests m
          where m.repository_id = ? and m.subject = asked.value order by m.digest limit ${MOST}
      ),
      named as (
        select t.name, t.repository_id, t.manifest_digest from tagged cross join tags t
          where t.repository_id = ? and t.name = tagged.value
      ),
      listed as (
        select named.name as about, named.repository_id, x.digest, named.name as tag
          from named cross join manifest_references x
          where x.repository_id = named.repository_id and x.manifest_digest = named.manifest_digest
            and x.kind = 'manifest' limit ${MOST}
      ),
      all_of_them as (
        select about, repository_id, digest, cast(tag as varchar(128)) as tag from by_subject
        union all select about, repository_id, digest, tag from listed
        union all select name, repository_id, manifest_digest, name from named
      )
    select a.about, ${COLUMNS}, a.tag
      from all_of_them a cross join manifests m join blobs f on f.digest = m.digest
      where m.repository_id = a.repository_id and m.digest = a.digest order by m.digest`,
    [JSON.stringify(digests), JSON.stringify([...byTag.keys()]), found.id, found.id],
  );
  const seen = new Set<string>();
  return rows.flatMap((row): readonly BrowsedReferrer[] => {
    const about = row.tag === null ? parseDigest(row.about) : byTag.get(row.about);
    // The index of a referrers tag is a list, and says nothing about its subject itself.
    const isList = row.tag !== null && isIndex(row.media_type) && !row.tag.includes('.');
    const key = `${about} ${row.digest}`;
    if (about === undefined || isList || seen.has(key)) return [];
    seen.add(key);
    return [
      {
        about,
        digest: parseDigest(row.digest),
        mediaType: row.media_type,
        ...(row.artifact_type !== null && { artifactType: row.artifact_type }),
        size: Number(row.size),
        ...(row.annotations !== null && { annotations: JSON.parse(row.annotations) }),
        ...(row.tag !== null && { tag: row.tag }),
      },
    ];
  });
}
