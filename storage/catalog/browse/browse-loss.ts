import type { Knex } from 'knex';
import { parseDigest } from '../../../oci/digest.ts';
import type { Loss, ManifestKey, VisibleNames } from './browse-catalog.ts';
import { collected, jsonSql, rowsOf } from './json-sql.ts';

const MOST_TAGS = 100;
const MOST_TAGS_COUNTED = 10_000;
const MOST_MANIFESTS = 1000;
/** Maximum depth: index, member, its referrers, and theirs; nothing beyond is examined. */
const MOST_ROUNDS = 6;
const MOST_BLOBS = 20_000;
/** Maximum rows that are searched for names of other holders. */
const MOST_SHARING = 1000;
const MOST_NAMES = 20;

export interface LossOptions {
  readonly untagged: boolean;
  readonly visible: VisibleNames;
}

/** A manifest, and whether something holds it. */
interface Held {
  readonly repository_id: number;
  readonly digest: string;
  /** Whether something other than the deleted tag holds it; SQLite returns numbers. */
  readonly is_held: boolean | number;
}

const IS_ROOT = 'exists (select 1 from release_images i where i.repository = r.name and i.digest = m.digest)';
const ABOUT_SOMETHING =
  'exists (select 1 from manifests a where a.repository_id = m.repository_id and a.digest = m.subject)';

/** Finds what a delete removes, by the rules of garbage collection (DEAD_MANIFEST in storage/catalog/garbage.ts). */
export async function findLoss(
  knex: Knex,
  repository: string,
  reference: ManifestKey,
  { untagged, visible }: LossOptions,
): Promise<Loss | undefined> {
  const held = await findHeld(knex, repository, reference);
  if (held === undefined) return undefined;
  const id = held.repository_id;
  const goes = 'digest' in reference || (untagged && !held.is_held);
  const gone = goes ? [held.digest] : [];
  let complete = true;
  for (let round = 0; goes && untagged; round += 1) {
    const more = await followers(knex, id, gone);
    complete = round < MOST_ROUNDS && gone.length + more.length <= MOST_MANIFESTS;
    if (more.length === 0 || !complete) break;
    gone.push(...more);
  }
  const tags = 'digest' in reference ? await tagsOf(knex, id, held.digest) : undefined;
  const bytes = await bytesOf(knex, id, gone);
  return {
    tags: tags?.names ?? ('tag' in reference ? [reference.tag] : []),
    tagCount: tags?.count ?? 1,
    manifests: gone.map(parseDigest),
    bytesFreed: bytes.freed,
    bytesKept: bytes.kept,
    ...(await sharersOf(knex, id, gone, visible)),
    complete: complete && bytes.complete,
  };
}

async function findHeld(knex: Knex, repository: string, reference: ManifestKey): Promise<Held | undefined> {
  const isDigest = 'digest' in reference;
  const rows = await rowsOf<Held>(
    knex,
    `select m.repository_id, m.digest, (
        exists (select 1 from tags t where t.repository_id = m.repository_id and t.manifest_digest = m.digest
          and t.name <> ?)
        or exists (select 1 from manifest_references x where x.repository_id = m.repository_id
          and x.digest = m.digest and x.kind <> 'subject')
        or ${ABOUT_SOMETHING} or ${IS_ROOT}
      ) as is_held
      from repositories r join manifests m on m.repository_id = r.id where r.name = ? and m.digest = ${
        isDigest ? '?' : '(select y.manifest_digest from tags y where y.repository_id = r.id and y.name = ?)'
      }`,
    isDigest ? ['', repository, reference.digest] : [reference.tag, repository, reference.tag],
  );
  return rows[0];
}

/** Finds members and referrers of the deleted manifests that nothing else holds. */
async function followers(knex: Knex, id: number, gone: readonly string[]): Promise<readonly string[]> {
  const { list } = jsonSql(knex);
  const rows = await rowsOf<{ readonly digest: string }>(
    knex,
    `with gone as ${list},
      near (digest) as (
        select x.digest from gone cross join manifest_references x
          where x.repository_id = ? and x.manifest_digest = gone.value and x.kind = 'manifest'
        union
        select a.digest from gone cross join manifests a where a.repository_id = ? and a.subject = gone.value
      )
      select m.digest from near cross join manifests m join repositories r on r.id = m.repository_id
        where m.repository_id = ? and m.digest = near.digest and m.digest not in (select value from gone) and not ${IS_ROOT}
          and not exists (select 1 from tags t where t.repository_id = m.repository_id and t.manifest_digest = m.digest)
          and not (m.subject is not null and m.subject not in (select value from gone) and ${ABOUT_SOMETHING})
          and not exists (select 1 from manifest_references x where x.repository_id = m.repository_id
            and x.digest = m.digest and x.kind <> 'subject' and x.manifest_digest not in (select value from gone))
        order by m.digest limit ${MOST_MANIFESTS + 1}`,
    [JSON.stringify(gone), id, id, id],
  );
  return rows.map(({ digest }) => digest);
}

async function tagsOf(
  knex: Knex,
  id: number,
  digest: string,
): Promise<{ readonly names: readonly string[]; readonly count: number }> {
  const names: readonly string[] = await knex('tags')
    .where({ repository_id: id, manifest_digest: digest })
    .orderBy('name')
    .limit(MOST_TAGS_COUNTED)
    .pluck('name');
  return { names: names.slice(0, MOST_TAGS), count: names.length };
}

/** SQL for the blobs of the deleted manifests, including the manifests themselves: `needed`. */
const NEEDED = (list: string) => `
  gone as ${list},
  needed (digest) as (
    select value from gone
    union
    select x.digest from gone cross join manifest_references x
      where x.repository_id = ? and x.manifest_digest = gone.value and x.kind not in ('subject', 'manifest')
  )`;

const NEEDED_HERE = `exists (select 1 from manifest_references y where y.repository_id = ?
  and y.digest = part.digest and y.kind <> 'subject' and y.manifest_digest not in (select value from gone))`;
const NEEDED_ELSEWHERE =
  'exists (select 1 from blob_links o where o.digest = part.digest and o.repository_id <> ?)';

async function bytesOf(
  knex: Knex,
  id: number,
  gone: readonly string[],
): Promise<{ readonly freed: number; readonly kept: number; readonly complete: boolean }> {
  if (gone.length === 0) return { freed: 0, kept: 0, complete: true };
  const { list } = jsonSql(knex);
  const [row] = await rowsOf<{
    readonly blobs: number | string;
    readonly freed: number | string | null;
    readonly total: number | string | null;
  }>(
    knex,
    `with ${NEEDED(list)}
      select count(*) as blobs, sum(size) as total, sum(case when is_kept then 0 else size end) as freed from (
        select (select coalesce(l.size, b.size) from blob_links l join blobs b on b.digest = l.digest
            where l.repository_id = ? and l.digest = part.digest) as size,
            (${NEEDED_HERE} or ${NEEDED_ELSEWHERE}) as is_kept
          from (select digest from needed limit ${MOST_BLOBS + 1}) as part
      ) as looked`,
    [JSON.stringify(gone), id, id, id, id],
  );
  const freed = Number(row?.freed ?? 0);
  return {
    freed,
    kept: Number(row?.total ?? 0) - freed,
    complete: Number(row?.blobs ?? 0) <= MOST_BLOBS,
  };
}

type Sharers = Pick<Loss, 'sharedWithImages' | 'sharedWithRepositories' | 'sharedWithOthers'>;

async function sharersOf(
  knex: Knex,
  id: number,
  gone: readonly string[],
  visible: VisibleNames,
): Promise<Sharers> {
  if (gone.length === 0) {
    return { sharedWithImages: [], sharedWithRepositories: [], sharedWithOthers: false };
  }
  const { list, collect } = jsonSql(knex);
  const sharing = await rowsOf<{ readonly manifests: string | readonly string[] | null }>(
    knex,
    `with ${NEEDED(list)}
      select (select ${collect('manifest_digest')} from (select y.manifest_digest from manifest_references y
          where y.repository_id = ? and y.digest = part.digest and y.kind <> 'subject'
            and y.manifest_digest not in (select value from gone) limit ${MOST_NAMES}) as few) as manifests
        from (select digest from needed limit ${MOST_SHARING}) as part`,
    [JSON.stringify(gone), id, id],
  );
  const images = new Set(sharing.flatMap(({ manifests }) => collected(manifests)));
  const named = await rowsOf<{ readonly image: string }>(
    knex,
    `select coalesce((select t.name from tags t where t.repository_id = ? and t.manifest_digest = d.value limit 1), d.value)
        as image from ${list} d`,
    [id, JSON.stringify([...images].slice(0, MOST_NAMES))],
  );
  const repositories = await rowsOf<{ readonly name: string }>(
    knex,
    `with ${NEEDED(list)}
      select distinct s.name from (select o.repository_id from needed cross join blob_links o
          where o.digest = needed.digest and o.repository_id <> ? limit ${MOST_SHARING}) as others
        join repository_stats s on s.repository_id = others.repository_id order by s.name`,
    [JSON.stringify(gone), id, id],
  );
  const names = repositories.map(({ name }) => name).filter((name) => visible.includes(name));
  return {
    sharedWithImages: named.map(({ image }) => image).toSorted(),
    sharedWithRepositories: names.slice(0, MOST_NAMES),
    sharedWithOthers: repositories.length > Math.min(names.length, MOST_NAMES),
  };
}
