import type { Knex } from 'knex';
import { QuotaExceededError, TagRefusedError } from '../errors.ts';
import type { Actor } from './actor.ts';
import { isPostgres } from './dialect.ts';
import type { QuotaHeadroom } from './quota-headroom.ts';
import type { TagRule, TagRuleKind } from './tag-rule-catalog.ts';
import type { WebhookEvent } from './webhook-catalog.ts';
import { matchesWildcard } from './wildcard.ts';

/** What concerns a repository: who is told, what may not be done, and how much it may have. */
export interface Guards {
  readonly hooks: readonly { readonly id: number; readonly events: readonly WebhookEvent[] }[];
  readonly tagRules: readonly TagRule[];
  readonly quotas: readonly { readonly id: number; readonly pattern: string; readonly bytes: number }[];
}

/** Of changes that are the program's own. */
export const NO_GUARDS: Guards = Object.freeze({ hooks: [], tagRules: [], quotas: [] });

interface GuardRow {
  readonly guard: 'hook' | 'tags' | 'quota';
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
  union all select 'quota', id, pattern, cast(bytes as text), '' from quotas where ? like matches escape '!'`;

/** All that concerns a repository, as the transaction sees it: one statement over tables of a few rows. */
export async function guardsOf(trx: Knex, repository: string): Promise<Guards> {
  const answer = await trx.raw(GUARDS, [repository, repository, repository]);
  const rows: readonly GuardRow[] = isPostgres(trx) ? answer.rows : answer;
  const of = (guard: GuardRow['guard']) => rows.filter((row) => row.guard === guard);
  return {
    hooks: of('hook').map(({ id, what }) => ({ id, events: what.split(',') as WebhookEvent[] })),
    tagRules: of('tags').map(({ pattern, what, kind }) => ({
      pattern,
      tags: what,
      kind: kind as TagRuleKind,
    })),
    quotas: of('quota').map(({ id, pattern, what }) => ({ id, pattern, bytes: Number(what) })),
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
  headroom: QuotaHeadroom | undefined,
): Pick<Guards, 'quotas'> {
  if (headroom === undefined) return { quotas };
  return { quotas: quotas.filter((quota) => !headroom.take(quota, size)) };
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
    const used = after.get(id) ?? 0;
    // What was there before a quota, or is there already, stays.
    if (used > bytes && used > (before.get(id) ?? 0)) throw exceeded(pattern, used, bytes);
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

async function usedOf(trx: Knex.Transaction, quotas: Guards['quotas']): Promise<ReadonlyMap<number, number>> {
  const ids = quotas.map(({ id }) => id);
  const rows: readonly { quota_id: number; used: number | string }[] = await trx('quota_use as u')
    .whereIn('quota_id', ids)
    .select('quota_id', trx.raw(`${USED} as used`));
  return new Map(rows.map(({ quota_id, used }) => [quota_id, Number(used)]));
}
