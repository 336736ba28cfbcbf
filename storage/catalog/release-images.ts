import type { Knex } from 'knex';
import type { ImageHolder } from '../../fleet/app-store.ts';
import { type Digest, parseDigest } from '../../oci/digest.ts';
import { ImageRunsError } from '../errors.ts';
import { isPostgres } from './rows.ts';
import type { Actor } from './tag-rule-catalog.ts';

/** Maximum holders in a message. */
const MAX_HOLDERS = 100;
/** Maximum apps and hosts that an error names. */
const MAX_NAMED = 5;

/** Returns the releases whose image is the manifest, or an index that contains it. */
export async function holdersOf(
  knex: Knex,
  digest: Digest,
  repository?: string,
): Promise<readonly ImageHolder[]> {
  const answer = await knex.raw(HOLDERS, [digest, repository ?? '', repository ?? '', MAX_HOLDERS]);
  const rows: readonly HolderRow[] = isPostgres(knex) ? answer.rows : answer;
  return rows.map((row) => ({
    app: row.app,
    release: Number(row.release),
    service: row.service,
    repository: row.repository,
    ...(row.tag !== null && { tag: row.tag }),
    digest: parseDigest(row.digest),
    runs: Boolean(row.runs),
  }));
}

interface HolderRow {
  readonly app: string;
  readonly release: number;
  readonly service: string;
  readonly repository: string;
  readonly tag: string | null;
  readonly digest: string;
  readonly runs: boolean | number;
}

/** Indexes nest, but without cycles: a digest cannot contain itself. */
const HOLDERS = `
  with recursive hit (repository_id, digest) as (
    select m.repository_id, m.digest from manifests m where m.digest = ?
    union
    select r.repository_id, r.manifest_digest from hit
      join manifest_references r on r.repository_id = hit.repository_id and r.digest = hit.digest
        and r.kind <> 'subject'
  )
  select i.app, i.release, i.service, i.repository, i.tag, i.digest,
      (l.state in ('rolling', 'rolling back', 'paused') or l.number = a.current) as runs
    from hit
    join repositories p on p.id = hit.repository_id
    join release_images i on i.repository = p.name and i.digest = hit.digest
    join releases l on l.app = i.app and l.number = i.release
    join apps a on a.name = i.app
    where (? = '' or p.name = ?)
    order by i.app, i.release desc, i.service
    limit ?`;

/**
 * Throws ImageRunsError when a running or rolling release needs the manifest, and by its tag if one is given. Without
 * an actor, or with one that overrides it, every delete is allowed.
 */
export async function refuseRunning(
  trx: Knex,
  {
    repository,
    digest,
    tag,
  }: { readonly repository: string; readonly digest: Digest; readonly tag?: string },
  by: Actor | undefined,
): Promise<void> {
  if (by === undefined || by.overrides === true) return;
  if ((await trx('release_images').where({ repository }).first('app')) === undefined) return;
  const running = (await holdersOf(trx, digest, repository)).filter((holder) => holder.runs);
  const needed = tag === undefined ? running : running.filter((holder) => holder.tag === tag);
  const apps = [...new Set(needed.map(({ app }) => app))];
  if (apps.length === 0) return;
  const hosts: readonly string[] = await trx('placements as p')
    .join('hosts as h', 'h.id', 'p.host')
    .whereIn('p.app', apps)
    .whereIn('p.service', [...new Set(needed.map(({ service }) => service))])
    .distinct('h.name')
    .orderBy('h.name')
    .pluck('h.name');
  const what = tag === undefined ? `${repository}@${digest}` : `${repository}:${tag}`;
  const where = hosts.length === 0 ? '' : ` on ${named(hosts)}`;
  throw new ImageRunsError(
    `${what} runs in ${named(apps)}${where}: deploy another image there first, or repeat it with ?force=true`,
  );
}

function named(names: readonly string[]): string {
  const more = names.length - MAX_NAMED;
  const some = names.slice(0, MAX_NAMED).join(', ');
  return more > 0 ? `${some} and ${more} more` : some;
}
