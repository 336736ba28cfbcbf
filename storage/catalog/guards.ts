import type { Knex } from 'knex';
import { matchesWildcard } from '../../lib/pattern/wildcard.ts';
import { QuotaExceededError, TagRefusedError } from '../errors.ts';
import type { Actor } from './actor.ts';
import { isPostgres } from './dialect.ts';
import type { GrantUse } from './quota-grants.ts';
import type { TagRule, TagRuleKind } from './tag-rule-catalog.ts';
import type { WebhookEvent } from './webhook-catalog.ts';

/** What concerns a repository: who is told, what may not be done, and how much it may have. */
export interface Guards {
  readonly hooks: readonly { readonly id: number; readonly events: readonly WebhookEvent[] }[];
  readonly tagRules: readonly TagRule[];
  readonly quotas: readonly GuardedQuota[];
}

interface GuardedQuota {
  readonly id: number;
  readonly pattern: string;
  readonly bytes: number;
  /** Ids of what is granted of it. */
  readonly grants: readonly number[];
}

/** Of changes that are the program's own. */
export const NO_GUARDS: Guards = Object.freeze({ hooks: [], tagRules: [], quotas: [] });

interface GuardRow {
  readonly guard: 'hook' | 'tags' | 'quota' | 'grant';
  readonly id: number;
  readonly pattern: string;
  readonly what: string;
  readonly kind: string;
}

/** The bytes that are in use of the quota of a row `u` of quota_use. */
export const USED =
  'u.used + coalesce((select sum(d.bytes) from quota_deltas d where d.quota_id = u.quota_id), 0)';

const GUARDS = `
  select 'hook' as guard, id, pattern, cast(events as text) as what, '' as kind from webhooks
    where ? like matches escape '!'
  union all select 'tags', id, pattern, tags, kind from tag_rules where ? like matches escape '!'
  union all select 'quota', id, pattern, cast(bytes as text), '' from quotas where ? like matches escape '!'
  union all select 'grant', g.id, '', cast(g.quota_id as text), '' from quota_grants g
    join quotas q on q.id = g.quota_id where ? like q.matches escape '!'`;

/** All that concerns a repository, as the transaction sees it: one statement over tables of a few rows. */
export async function guardsOf(trx: Knex, repository: string): Promise<Guards> {
  const answer = await trx.raw(GUARDS, Array(4).fill(repository));
  const rows: readonly GuardRow[] = isPostgres(trx) ? answer.rows : answer;
  const of = (guard: GuardRow['guard']) => rows.filter((row) => row.guard === guard);
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

/** A change of a tag; `before` and `after` are undefined where it is not there. */
export interface TagChangeWanted {
  readonly tag: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** Throws TagRefusedError for a change that a rule keeps `by` from making. The program itself may make any. */
export function refuseTagChange(
  { tagRules }: Pick<Guards, 'tagRules'>,
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

/** The quotas that are to be looked at by whoever adds so many bytes. */
export function near(
  { quotas }: Pick<Guards, 'quotas'>,
  size: number,
  granted: GrantUse | undefined,
): Pick<Guards, 'quotas'> {
  if (granted === undefined) return { quotas };
  return { quotas: quotas.filter((quota) => !granted.take(quota, size)) };
}

/** Throws QuotaExceededError when `work` makes a repository have more than it may; the transaction then goes back. */
export async function withinQuotas<Result>(
  trx: Knex.Transaction,
  { quotas }: Pick<Guards, 'quotas'>,
  by: Actor | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  if (by === undefined || quotas.length === 0) return work();
  const before = await usedOf(trx, quotas);
  const result = await work();
  const after = await usedOf(trx, quotas);
  for (const { id, pattern, bytes } of quotas) {
    const { used, granted } = after.get(id) ?? UNUSED;
    // What was there before a quota, or is there already, stays.
    if (used > bytes && used > (before.get(id) ?? UNUSED).used) throw exceeded(pattern, used, bytes);
    if (granted > 0 && used + granted > bytes) await trx('quota_grants').where({ quota_id: id }).delete();
  }
  return result;
}

/** The refusal of what would make `used` bytes where there may be `bytes`. */
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

/** The bytes of quotas that are in use, and those that are set aside for whoever pushes. */
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
