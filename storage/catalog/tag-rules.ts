import type { Knex } from 'knex';
import { likePattern, matchesWildcard } from '../../lib/pattern/wildcard.ts';
import type { Digest } from '../../oci/digest.ts';
import { TagRefusedError } from '../errors.ts';
import type { RepositoryPolicy } from './repository-policy.ts';
import { isPostgres, refuseBeyond } from './rows.ts';
import type { Actor, TagRule, TagRuleCatalog } from './tag-rule-catalog.ts';
import { inTransaction } from './transaction.ts';

/** A change of a tag; `before` is undefined for a new tag, `after` for a deletion. */
export interface TagChangeWanted {
  readonly tag: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** Throws TagRefusedError when a tag rule forbids the change to `by`. Without an actor, every change is allowed. */
export function refuseTagChange(
  { tagRules }: Pick<RepositoryPolicy, 'tagRules'>,
  by: Actor | undefined,
  { tag, before, after }: TagChangeWanted,
): void {
  if (by === undefined) return;
  for (const { tags, kind } of tagRules) {
    if (!matchesWildcard(tags, tag)) continue;
    if (kind === 'protected' && by.standing === 'writer') {
      throw new TagRefusedError(
        `the tag ${tag} is protected (${tags}): only maintainers of the repository set or delete it`,
      );
    }
    if (kind === 'protected' || before === undefined || before === after) continue;
    if (after !== undefined) {
      throw new TagRefusedError(
        `the tag ${tag} is immutable (${tags}) and is already ${before}: push under another tag`,
      );
    }
    if (by.standing !== 'admin') {
      throw new TagRefusedError(
        `the tag ${tag} is immutable (${tags}): only an administrator of the repository may delete it, or content that it needs`,
      );
    }
  }
}

/** The tags of a repository whose manifests are or need the content of a digest. */
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
 * Throws TagRefusedError when deleting a manifest or blob would remove or break a tag that `by` may not delete. `most`
 * is the maximum number of tags checked; all by default.
 */
export async function refuseLoss(
  trx: Knex,
  repositoryId: number,
  digest: Digest,
  by: Actor | undefined,
  policy: RepositoryPolicy,
  most?: number,
): Promise<void> {
  if (by === undefined || policy.tagRules.length === 0) return;
  const answer = await (most === undefined
    ? trx.raw(NEEDED_BY, [digest, repositoryId, repositoryId])
    : trx.raw(`${NEEDED_BY} limit ?`, [digest, repositoryId, repositoryId, most]));
  const tags: readonly { name: string; digest: string }[] = isPostgres(trx) ? answer.rows : answer;
  for (const tag of tags)
    refuseTagChange(policy, by, { tag: tag.name, before: tag.digest, after: undefined });
}

/** Rules of tags. */
export class KnexTagRules implements TagRuleCatalog {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async list(): Promise<readonly TagRule[]> {
    return this.#knex('tag_rules').orderBy(['pattern', 'tags']).select('pattern', 'tags', 'kind');
  }

  async put({ pattern, tags, kind }: TagRule): Promise<void> {
    await inTransaction(this.#knex, async (trx) => {
      const there = await trx('tag_rules').where({ pattern, tags }).first('id');
      if (there === undefined) await refuseBeyond(trx, 'tag_rules');
      await trx('tag_rules')
        .insert({ pattern, matches: likePattern(pattern), tags, kind })
        .onConflict(['pattern', 'tags'])
        .merge(['kind']);
    });
  }

  remove({ pattern, tags }: Pick<TagRule, 'pattern' | 'tags'>): Promise<boolean> {
    return inTransaction(
      this.#knex,
      async (trx) => (await trx('tag_rules').where({ pattern, tags }).delete()) > 0,
    );
  }
}
