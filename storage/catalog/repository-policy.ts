import type { Knex } from 'knex';
import { QuotaExceededError } from '../errors.ts';
import type { GrantUse } from './quota-grants.ts';
import { isPostgres } from './rows.ts';
import type { Actor, TagRule, TagRuleKind } from './tag-rule-catalog.ts';
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

/** Returns the quotas that adding `size` bytes must check: all except those from which `granted` takes the bytes. */
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
    // Content from before the quota, and content that was already linked, stays.
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
