import { randomUUID } from 'node:crypto';
import type { Knex } from 'knex';
import { likePattern, matchesWildcard } from '../../lib/pattern/wildcard.ts';
import type { Quota, QuotaCatalog, QuotaDrift, QuotaUse } from './quota-catalog.ts';
import { type QuotaGrant, QuotaGrants, shareOf } from './quota-grants.ts';
import { exceeded, USED, usedOf } from './repository-policy.ts';
import { excludeWriters, isPostgres, refuseBeyond } from './rows.ts';
import { inStatement, inTransaction } from './transaction.ts';

/** Milliseconds for which quotas and their use are cached. */
const REMEMBERED = 1000;

/** The blobs of the repositories of a quota, each once. */
const LINKED = `
  select q.id, l.digest, b.size, count(*) from quotas q
    join repositories r on r.name like q.matches escape '!'
    join blob_links l on l.repository_id = r.id
    join blobs b on b.digest = l.digest
    where q.id = ? group by q.id, l.digest, b.size`;

/** SQL for the bytes that unfinished uploads of the repositories of a row of quotas have or may get. */
const OPEN = `coalesce((select sum(case when o.claimed > o.size then o.claimed else o.size end)
  from uploads o where o.repository like quotas.matches escape '!'), 0)`;

/** Pending rows of counts that are not folded yet. */
const MOST_DELTAS = 1000;

/** Runs in a separate transaction on committed rows, so that it does not conflict with writers. */
const DRAW_TOGETHER = `
  with gone as (delete from quota_deltas returning quota_id, bytes)
  update quota_use set used = used + sums.bytes
    from (select quota_id, sum(bytes) as bytes from gone group by quota_id) as sums
    where quota_use.quota_id = sums.quota_id`;

const COMPARED = `
  select q.id, q.pattern, ${USED} as counted, coalesce((select sum(size) from (
      select distinct l.digest, b.size from repositories r
        join blob_links l on l.repository_id = r.id
        join blobs b on b.digest = l.digest
        where r.name like q.matches escape '!') as linked), 0) as actual
    from quotas q join quota_use u on u.quota_id = q.id order by q.pattern`;

interface UseRow {
  readonly pattern: string;
  readonly bytes: number | string;
  readonly used: number | string;
}

interface DriftRow {
  readonly id: number;
  readonly pattern: string;
  readonly counted: number | string;
  readonly actual: number | string;
}

/** The QuotaCatalog in the catalog's tables; triggers count the use. */
export class KnexQuotas implements QuotaCatalog {
  readonly #knex: Knex;
  /**
   * Present only if checking quotas would make writers conflict; SQLite's transactions run one after the other anyway.
   */
  readonly grants: QuotaGrants | undefined;
  /** Identifies this process's grants. */
  readonly #holder = randomUUID();
  #known: { readonly at: number; readonly quotas: Promise<readonly QuotaUse[]> } | undefined;

  constructor(knex: Knex) {
    this.#knex = knex;
    this.grants = isPostgres(knex)
      ? new QuotaGrants({ renew: (id) => this.#renewGrant(id), tidy: () => this.#drawTogether() })
      : undefined;
  }

  async list(): Promise<readonly QuotaUse[]> {
    const rows: readonly UseRow[] = await this.#knex('quotas')
      .join('quota_use as u', 'u.quota_id', 'quotas.id')
      .orderBy('pattern')
      .select('pattern', 'bytes', this.#knex.raw(`${USED} as used`));
    return rows.map(({ pattern, bytes, used }) => ({ pattern, bytes: Number(bytes), used: Number(used) }));
  }

  async put({ pattern, bytes }: Quota): Promise<void> {
    await inTransaction(this.#knex, async (trx) => {
      await excludeWriters(trx);
      const [changed] = await trx('quotas').where({ pattern }).update({ bytes }).returning('id');
      if (changed !== undefined) {
        await takeBack(trx, changed.id);
        return;
      }
      await refuseBeyond(trx, 'quotas');
      await trx('quotas').insert({ pattern, matches: likePattern(pattern), bytes });
      const { id } = await trx('quotas').where({ pattern }).first('id');
      await count(trx, id);
    });
    this.#known = undefined;
  }

  async remove(pattern: string): Promise<boolean> {
    const removed = await inTransaction(this.#knex, async (trx) => {
      await excludeWriters(trx);
      const row = await trx('quotas').where({ pattern }).first('id');
      if (row === undefined) return false;
      await forget(trx, row.id);
      await trx('quotas').where({ pattern }).delete();
      return true;
    });
    this.#known = undefined;
    return removed;
  }

  async refuseIfFull(repository: string): Promise<void> {
    for (const { pattern, bytes, used } of await this.#knownFor(repository)) {
      if (used >= bytes) throw exceeded(pattern, used, bytes);
    }
  }

  async concerns(repository: string): Promise<boolean> {
    return (await this.#knownFor(repository)).length > 0;
  }

  async claim(repository: string, uploadId: string, bytes: number): Promise<void> {
    await this.#setClaim(uploadId, bytes);
    if (bytes === 0) return;
    // Each counts itself before it checks: of two concurrent ones, at least one sees both.
    for (const { pattern, bytes: allowed } of await this.#knownFor(repository)) {
      const row = await this.#knex('quotas')
        .join('quota_use as u', 'u.quota_id', 'quotas.id')
        .where({ pattern })
        .first(this.#knex.raw(`${USED} as used`), this.#knex.raw(`${OPEN} as open`));
      const together = Number(row?.used ?? 0) + Number(row?.open ?? 0);
      if (together <= allowed) continue;
      await this.#setClaim(uploadId, 0);
      throw exceeded(pattern, together, allowed);
    }
  }

  async #setClaim(id: string, claimed: number): Promise<void> {
    const claim = () => this.#knex('uploads').where({ id }).update({ claimed });
    await inStatement(this.#knex, claim, { durable: false });
  }

  /** Returns the quotas of a repository, as of at most a second ago. */
  async #knownFor(repository: string): Promise<readonly QuotaUse[]> {
    const now = performance.now();
    if (this.#known === undefined || now - this.#known.at > REMEMBERED) {
      this.#known = { at: now, quotas: this.list() };
    }
    return (await this.#known.quotas).filter(({ pattern }) => matchesWildcard(pattern, repository));
  }

  /** Reserves a part of the free bytes. Revokes grants of other processes if they leave too little. */
  #renewGrant(id: number): Promise<QuotaGrant | undefined> {
    const holder = this.#holder;
    const renew = async (trx: Knex.Transaction) => {
      const quota: { readonly bytes: number | string } | undefined = await trx('quotas')
        .where({ id })
        .first('bytes');
      if (quota === undefined) return undefined;
      await trx('quota_grants').where({ quota_id: id, holder }).delete();
      const { used, granted } = (await usedOf(trx, [{ id }])).get(id) ?? { used: 0, granted: 0 };
      const free = Number(quota.bytes) - used;
      const bytes = shareOf(free - granted) || shareOf(free);
      if (bytes === 0) return undefined;
      if (bytes > free - granted) await takeBack(trx, id);
      const [row] = await trx('quota_grants').insert({ quota_id: id, holder, bytes }).returning('id');
      return { id: Number(row.id), bytes };
    };
    return inTransaction(this.#knex, renew, { durable: false, clearWay: excludeWriters });
  }

  /** Folds the pending rows into the count when there are many. */
  async #drawTogether(): Promise<void> {
    const [row] = await this.#knex('quota_deltas').count({ rows: '*' });
    if (Number(row?.rows) > MOST_DELTAS) await this.#knex.raw(DRAW_TOGETHER);
  }

  check(repair: boolean): Promise<readonly QuotaDrift[]> {
    return inTransaction(this.#knex, async (trx) => {
      if (repair) await excludeWriters(trx);
      const answer = await trx.raw(COMPARED);
      const rows: readonly DriftRow[] = isPostgres(trx) ? answer.rows : answer;
      const wrong = rows.filter(({ counted, actual }) => Number(counted) !== Number(actual));
      if (repair) {
        for (const { id } of wrong) {
          await forget(trx, id);
          await count(trx, id);
        }
      }
      return wrong.map(({ pattern, counted, actual }) => ({
        pattern,
        counted: Number(counted),
        actual: Number(actual),
      }));
    });
  }
}

async function count(trx: Knex.Transaction, id: number): Promise<void> {
  await trx('quota_use').insert({ quota_id: id, used: 0 });
  await trx.raw(`insert into quota_blobs (quota_id, digest, size, links) ${LINKED}`, [id]);
}

/** Revokes grants: all processes check the use before they add to it, until there are grants again. */
async function takeBack(trx: Knex.Transaction, id: number): Promise<void> {
  await trx('quota_grants').where({ quota_id: id }).delete();
}

async function forget(trx: Knex.Transaction, id: number): Promise<void> {
  await takeBack(trx, id);
  await trx('quota_blobs').where({ quota_id: id }).delete();
  // Includes the rows that triggers have just added.
  await trx('quota_deltas').where({ quota_id: id }).delete();
  await trx('quota_use').where({ quota_id: id }).delete();
}
