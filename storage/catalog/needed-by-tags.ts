import type { Knex } from 'knex';
import type { Digest } from '../../oci/digest.ts';
import type { Actor } from './actor.ts';
import { isPostgres } from './dialect.ts';
import { type Guards, refuseTagChange } from './guards.ts';

/** The tags of a repository that point at what is or needs the content of a digest. */
const NEEDED_BY = `
  with recursive hit (digest) as (
    select cast(? as varchar(135))
    union
    select r.manifest_digest from hit
      join manifest_references r on r.repository_id = ? and r.digest = hit.digest and r.kind <> 'subject'
  )
  select t.name, t.manifest_digest as digest from hit
    join tags t on t.repository_id = ? and t.manifest_digest = hit.digest`;

/**
 * Throws TagRefusedError when without a manifest or blob a tag would be gone, or would be broken, that `by` may not
 * delete. `most` is how many tags are looked at; all unless given.
 */
export async function refuseLoss(
  trx: Knex.Transaction,
  repositoryId: number,
  digest: Digest,
  by: Actor | undefined,
  guards: Guards,
  most?: number,
): Promise<void> {
  if (by === undefined || guards.tagRules.length === 0) return;
  const answer = await (most === undefined
    ? trx.raw(NEEDED_BY, [digest, repositoryId, repositoryId])
    : trx.raw(`${NEEDED_BY} limit ?`, [digest, repositoryId, repositoryId, most]));
  const tags: readonly { name: string; digest: string }[] = isPostgres(trx) ? answer.rows : answer;
  for (const tag of tags)
    refuseTagChange(guards, by, { tag: tag.name, before: tag.digest, after: undefined });
}
