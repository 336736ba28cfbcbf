import type { Knex } from 'knex';
import { likePattern, matchesWildcard } from '../../lib/pattern/wildcard.ts';
import { Pace } from '../../lib/sync/pace.ts';
import { excludeWriters, refuseBeyond } from './rows.ts';
import { inTransaction } from './transaction.ts';
import type {
  KeptWebhook,
  NewWebhook,
  QueueLimits,
  ToldEvent,
  WaitingEvent,
  WebhookCatalog,
  WebhookDelivery,
  WebhookEvent,
  WebhookState,
} from './webhook-catalog.ts';
import { queueEvents } from './write-record.ts';

/** Repeated after a power cut: every event is delivered at least once. */
const UNSYNCED = { durable: false };

/** Maximum events that one statement drops: nothing else runs meanwhile. */
const DROPPED_AT_ONCE = 500;

/** Maximum deliveries kept for a webhook. */
const MOST_DELIVERIES = 50;
const LONGEST_FAILURE = 500;

interface DeliveryRow {
  readonly action: WebhookDelivery['action'];
  readonly repository: string;
  readonly tag: string | null;
  readonly attempts: number;
  readonly tried_at: number | string;
  readonly failure: string | null;
}

interface QueuedRow {
  readonly id: number | string;
  readonly created_at: number | string;
}

interface WebhookRow {
  readonly id: number;
  readonly name: string;
  readonly url: string;
  readonly events: string;
  readonly pattern: string;
  readonly secret: string;
}

interface StateRow extends WebhookRow {
  readonly dropped: number | string;
  readonly delivered_at: number | string | null;
  readonly failed_at: number | string | null;
  readonly failure: string | null;
  readonly waiting: number | string;
}

/** The WebhookCatalog in the catalog's tables. */
export class KnexWebhooks implements WebhookCatalog {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async list(): Promise<readonly WebhookState[]> {
    const rows: readonly StateRow[] = await this.#knex('webhooks as w')
      .join('webhook_state as s', 's.webhook_id', 'w.id')
      .orderBy('w.name')
      .select('w.*', 's.*')
      .select(this.#knex.raw('(select count(*) from webhook_events e where e.webhook_id = w.id) as waiting'));
    return rows.map((row) => ({
      name: row.name,
      url: row.url,
      events: eventsOf(row),
      pattern: row.pattern,
      waiting: Number(row.waiting),
      dropped: Number(row.dropped),
      ...(row.delivered_at !== null && { deliveredAt: new Date(Number(row.delivered_at)) }),
      ...(row.failed_at !== null && { failedAt: new Date(Number(row.failed_at)) }),
      ...(row.failure !== null && { failure: row.failure }),
    }));
  }

  create({ name, url, events, pattern, secret }: NewWebhook): Promise<boolean> {
    return inTransaction(this.#knex, async (trx) => {
      if ((await trx('webhooks').where({ name }).first('id')) !== undefined) return false;
      await refuseBeyond(trx, 'webhooks');
      await trx('webhooks').insert({
        name,
        url,
        events: events.join(','),
        pattern,
        matches: likePattern(pattern),
        secret,
        created_at: Date.now(),
      });
      const { id } = await trx('webhooks').where({ name }).first('id');
      await trx('webhook_state').insert({ webhook_id: id, dropped: 0 });
      return true;
    });
  }

  remove(name: string): Promise<boolean> {
    const work = async (trx: Knex.Transaction) => {
      const row = await trx('webhooks').where({ name }).first('id');
      if (row === undefined) return false;
      await dropQueue(trx, row.id);
      await trx('webhook_state').where({ webhook_id: row.id }).delete();
      await trx('webhook_deliveries').where({ webhook_id: row.id }).delete();
      await trx('webhooks').where({ name }).delete();
      return true;
    };
    return inTransaction(this.#knex, work, { clearWay: excludeWriters });
  }

  async find(name: string): Promise<KeptWebhook | undefined> {
    const row: WebhookRow | undefined = await this.#knex('webhooks').where({ name }).first();
    return row && keptOf(row);
  }

  async all(): Promise<readonly KeptWebhook[]> {
    const rows: readonly WebhookRow[] = await this.#knex('webhooks').orderBy('id');
    return rows.map(keptOf);
  }

  async tell(events: readonly ToldEvent[]): Promise<void> {
    await inTransaction(
      this.#knex,
      async (trx) => {
        const rows: readonly WebhookRow[] = await trx('webhooks');
        for (const row of rows) {
          const wanted = events.filter(
            ({ action, repository }) =>
              eventsOf(row).some((event) => event === action) && matchesWildcard(row.pattern, repository),
          );
          await queueEvents(trx, [row], wanted);
        }
      },
      UNSYNCED,
    );
  }

  async waiting(id: number, without: readonly string[], limit: number): Promise<readonly WaitingEvent[]> {
    const query = this.#knex('webhook_events').where({ webhook_id: id }).orderBy('id').limit(limit);
    if (without.length > 0) query.whereNotIn('repository', [...without]);
    const rows: readonly { id: number | string; event: string }[] = await query;
    return rows.map((row) => ({ id: String(row.id), event: JSON.parse(row.event) }));
  }

  async pending(): Promise<ReadonlySet<number>> {
    const waits = this.#knex('webhook_events as e').whereRaw('e.webhook_id = webhooks.id').select('e.id');
    return new Set<number>(await this.#knex('webhooks').whereExists(waits).pluck('id'));
  }

  async told(id: number, event: WaitingEvent): Promise<void> {
    await inTransaction(
      this.#knex,
      async (trx) => {
        await trx('webhook_events').where({ id: event.id }).delete();
        const success = { delivered_at: Date.now(), failed_at: null, failure: null };
        const isThere = await trx('webhook_state').where({ webhook_id: id }).update(success);
        if (isThere > 0) await recordDelivery(trx, id, event);
      },
      UNSYNCED,
    );
  }

  async failed(id: number, event: WaitingEvent, failure: string): Promise<void> {
    await inTransaction(
      this.#knex,
      async (trx) => {
        const row = { failed_at: Date.now(), failure: failure.slice(0, LONGEST_FAILURE) };
        const isThere = await trx('webhook_state').where({ webhook_id: id }).update(row);
        if (isThere > 0) await recordDelivery(trx, id, event, row.failure);
      },
      UNSYNCED,
    );
  }

  async deliveries(name: string): Promise<readonly WebhookDelivery[] | undefined> {
    const found = await this.#knex('webhooks').where({ name }).first('id');
    if (found === undefined) return undefined;
    const rows: readonly DeliveryRow[] = await this.#knex('webhook_deliveries')
      .where({ webhook_id: found.id })
      .orderBy('id', 'desc')
      .limit(MOST_DELIVERIES);
    return rows.map(({ action, attempts, failure, repository, tag, tried_at }) => ({
      action,
      repository,
      ...(tag !== null && { tag }),
      attempts,
      triedAt: new Date(Number(tried_at)),
      ...(failure !== null && { failure }),
    }));
  }

  trim(id: number, { events, since }: QueueLimits): Promise<number> {
    return inTransaction(
      this.#knex,
      async (trx) => {
        const mine = { webhook_id: id };
        const newestFirst = trx('webhook_events').where(mine).orderBy('id', 'desc');
        const surplus = await newestFirst.offset(events).limit(1).first('id');
        const oldest: readonly QueuedRow[] = await trx('webhook_events')
          .where(mine)
          .orderBy('id')
          .limit(DROPPED_AT_ONCE)
          .select('id', 'created_at');
        const beyond = oldest.filter(
          (row) =>
            (surplus !== undefined && Number(row.id) <= Number(surplus.id)) ||
            Number(row.created_at) < since.getTime(),
        );
        if (beyond.length === 0) return 0;
        await trx('webhook_events')
          .whereIn(
            'id',
            beyond.map((row) => row.id),
          )
          .delete();
        await trx('webhook_state').where(mine).increment('dropped', beyond.length);
        return beyond.length;
      },
      UNSYNCED,
    );
  }
}

/** Records a delivery as the newest, and deletes those beyond the maximum. */
async function recordDelivery(
  trx: Knex.Transaction,
  id: number,
  { event }: WaitingEvent,
  failure?: string,
): Promise<void> {
  const mine = { webhook_id: id };
  const same = { ...mine, event_id: event.id };
  const before = await trx('webhook_deliveries').where(same).first('attempts');
  if (before !== undefined) await trx('webhook_deliveries').where(same).delete();
  await trx('webhook_deliveries').insert({
    ...same,
    action: event.action,
    repository: event.repository,
    tag: event.tag ?? null,
    attempts: (before?.attempts ?? 0) + 1,
    tried_at: Date.now(),
    failure: failure ?? null,
  });
  const newestFirst = trx('webhook_deliveries').where(mine).orderBy('id', 'desc');
  const surplus = await newestFirst.offset(MOST_DELIVERIES).limit(1).first('id');
  if (surplus !== undefined)
    await trx('webhook_deliveries').where(mine).where('id', '<=', surplus.id).delete();
}

/** Empties the queue of a webhook, which may be long, in several statements. */
async function dropQueue(trx: Knex.Transaction, id: number): Promise<void> {
  const pace = new Pace(DROPPED_AT_ONCE);
  let dropped: number;
  do {
    const some = trx('webhook_events')
      .where({ webhook_id: id })
      .orderBy('id')
      .limit(DROPPED_AT_ONCE)
      .select('id');
    dropped = await trx('webhook_events').whereIn('id', some).delete();
    await pace.after(dropped);
  } while (dropped === DROPPED_AT_ONCE);
}

function keptOf(row: WebhookRow): KeptWebhook {
  const { id, name, url, pattern, secret } = row;
  return { id, name, url, pattern, secret, events: eventsOf(row) };
}

function eventsOf({ events }: WebhookRow): readonly WebhookEvent[] {
  return events.split(',') as WebhookEvent[];
}
