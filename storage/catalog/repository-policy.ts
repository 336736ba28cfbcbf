import type { Knex } from 'knex';
import { likePattern, matchesWildcard } from '../../lib/pattern/wildcard.ts';
import type { Digest } from '../../oci/digest.ts';
import { QuotaExceededError, TagRefusedError } from '../errors.ts';
import type { GrantUse } from './quota-grants.ts';
import { isPostgres, refuseBeyond } from './rows.ts';
import type { Actor, TagRule, TagRuleCatalog, TagRuleKind } from './tag-rule-catalog.ts';
import { inTransaction } from './transaction.ts';
import type { WebhookEvent } from './webhook-catalog.ts';

/** The settings that apply to one repository: its webhooks, tag rules and quotas. */
export interface RepositoryPolicy {
  readonly hooks: readonly { readonly id: number; readonly events: readonly WebhookEvent[] }[];
  readonly tagRules: readonly TagRule[];
  readonly quotas: readonly PolicyQuota[];
}

interface PolicyQuota {
  readonly id: number;
  readonly pattern: string;
  readonly bytes: number;
  /** Ids of the grants that processes hold of this quota. */
  readonly grants: readonly number[];
}

/** The policy for changes that the program itself makes. */
export const NO_POLICY: RepositoryPolicy = Object.freeze({ hooks: [], tagRules: [], quotas: [] });

interface PolicyRow {
  readonly guard: 'hook' | 'tags' | 'quota' | 'grant';
  readonly id: number;
  readonly pattern: string;
  readonly what: string;
  readonly kind: string;
}

/** SQL for the used bytes of the quota in a row `u` of quota_use. */
export const USED =
  'u.used + coalesce((select sum(d.bytes) from quota_deltas d where d.quota_id = u.quota_id), 0)';

const POLICY_ROWS = `
  select 'hook' as guard, id, pattern, cast(events as text) as what, '' as kind from webhooks
    where ? like matches escape '!'
  union all select 'tags', id, pattern, tags, kind from tag_rules where ? like matches escape '!'
  union all select 'quota', id, pattern, cast(bytes as text), '' from quotas where ? like matches escape '!'
  union all select 'grant', g.id, '', cast(g.quota_id as text), '' from quota_grants g
    join quotas q on q.id = g.quota_id where ? like q.matches escape '!'`;

/** Reads the policy of a repository inside the transaction, in one statement over small tables. */
export async function policyOf(trx: Knex, repository: string): Promise<RepositoryPolicy> {
  const answer = await trx.raw(POLICY_ROWS, Array(4).fill(repository));
  const rows: readonly PolicyRow[] = isPostgres(trx) ? answer.rows : answer;
  const of = (guard: PolicyRow['guard']) => rows.filter((row) => row.guard === guard);
  return {
    hooks: of('hook').map(({ id, what }) => ({ id, events: what.split(',') as WebhookEvent[] })),
    tagRules: of('tags').map(({ pattern, what, kind }) => ({
      pattern,
      tags: what,
      kind: kind as TagRuleKind,
    })),
    quotas: of('quota').map(({ id, pattern, what }) => ({
      id,
      pattern,
      bytes: Number(what),
      grants: of('grant').flatMap((grant) => (Number(grant.what) === id ? Number(grant.id) : [])),
    })),
  };
}

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
        `the tag ${tag} is immutable (${tags}) and is ${before} already: push under another tag`,
      );
    }
    if (by.standing !== 'admin') {
      throw new TagRefusedError(
        `the tag ${tag} is immutable (${tags}): only an administrator of the repository deletes it, or what it needs`,
      );
    }
  }
}

/** Returns the quotas that adding `size` bytes must check: all but those from which `granted` takes the bytes. */
export function quotasToCheck(
  { quotas }: Pick<RepositoryPolicy, 'quotas'>,
  size: number,
  granted: GrantUse | undefined,
): Pick<RepositoryPolicy, 'quotas'> {
  if (granted === undefined) return { quotas };
  return { quotas: quotas.filter((quota) => !granted.take(quota, size)) };
}

/** Runs `work`, and throws QuotaExceededError when it exceeds a quota, which rolls the transaction back. */
export async function enforceQuotas<Result>(
  trx: Knex.Transaction,
  { quotas }: Pick<RepositoryPolicy, 'quotas'>,
  by: Actor | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  if (by === undefined || quotas.length === 0) return work();
  const before = await usedOf(trx, quotas);
  const result = await work();
  const after = await usedOf(trx, quotas);
  for (const { id, pattern, bytes } of quotas) {
    const { used, granted } = after.get(id) ?? UNUSED;
    // Content from before the quota, and content that was linked already, stays.
    if (used > bytes && used > (before.get(id) ?? UNUSED).used) throw exceeded(pattern, used, bytes);
    if (granted > 0 && used + granted > bytes) await trx('quota_grants').where({ quota_id: id }).delete();
  }
  return result;
}

/** Returns the error for a change that would use `used` bytes of a quota of `bytes`. */
export function exceeded(pattern: string, used: number, bytes: number): QuotaExceededError {
  return new QuotaExceededError(
    `the quota of ${pattern} is ${bytes} bytes and this would make ${used}: delete images there, let garbage ` +
      'collection take their content, or ask an administrator for more',
  );
}

interface QuotaUsage {
  readonly used: number;
  readonly granted: number;
}

const UNUSED: QuotaUsage = { used: 0, granted: 0 };

/** Reads the used and the granted bytes of quotas, by quota id. */
export async function usedOf(
  trx: Knex.Transaction,
  quotas: readonly { readonly id: number }[],
): Promise<ReadonlyMap<number, QuotaUsage>> {
  const ids = quotas.map(({ id }) => id);
  const rows: readonly { quota_id: number; used: number | string; granted: number | string }[] = await trx(
    'quota_use as u',
  )
    .whereIn('quota_id', ids)
    .select(
      'quota_id',
      trx.raw(`${USED} as used`),
      trx.raw(
        '(select coalesce(sum(g.bytes), 0) from quota_grants g where g.quota_id = u.quota_id) as granted',
      ),
    );
  return new Map(
    rows.map(({ quota_id, used, granted }) => [quota_id, { used: Number(used), granted: Number(granted) }]),
  );
}

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
