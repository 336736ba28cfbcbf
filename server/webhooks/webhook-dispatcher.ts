import { setImmediate as turn } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { KeptWebhook, WaitingEvent, WebhookCatalog } from '../../storage/catalog/webhook-catalog.ts';
import type { PullSamples } from '../background/pull-recorder.ts';
import { repeat } from '../background/repeat.ts';
import type { SharedDuty } from '../background/shared-duty.ts';
import type { Deliver } from './deliver.ts';

const RHYTHM = { first: 500, every: 500 };
const AT_ONCE = 50;

/** Duration of the lease, and the age at which it is renewed, ms. */
export const WEBHOOKS_LEASE = 10_000;
const RENEW_AFTER = 3_000;

/**
 * Maximum pending events of a webhook, and their maximum age, ms; the oldest are dropped first. Queues are trimmed this
 * often, ms, also while their receivers are slow or down: one push may add a hundred events.
 */
const MOST_WAITING = 10_000;
const LONGEST_WAIT = 7 * 24 * 60 * 60 * 1000;
const TRIM_EVERY = 5_000;

/** Pause between two attempts, ms; it doubles each time. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 5 * 60 * 1000;

export interface DispatcherDependencies {
  readonly webhooks: WebhookCatalog;
  readonly deliver: Deliver;
  readonly pulls: PullSamples;
  readonly log: Logger;
  /** Present if several registries share a catalog: one of them delivers. */
  readonly duty?: SharedDuty;
}

interface Pause {
  readonly until: number;
  readonly failures: number;
}

/**
 * Delivers pending events to webhooks: each at least once, those of a repository in order. A receiver that does not answer
 * is retried with backoff; one that refuses an event meanwhile gets those of other repositories.
 */
export class WebhookDispatcher {
  readonly #dependencies: DispatcherDependencies;
  readonly #running = new Map<number, Promise<void>>();
  /** By webhook, or webhook and repository. */
  readonly #pauses = new Map<string, Pause>();
  /** IDs of all webhooks, as of the last read. */
  #known: ReadonlySet<number> = new Set();
  #trimmedAt = Number.NEGATIVE_INFINITY;
  #heldUntil = Number.NEGATIVE_INFINITY;

  constructor(dependencies: DispatcherDependencies) {
    this.#dependencies = dependencies;
  }

  /** Delivers until `signal` aborts; resolves when no delivery is running. */
  async keep(signal: AbortSignal): Promise<void> {
    const { log, duty } = this.#dependencies;
    await repeat(
      () => this.#look(signal),
      RHYTHM,
      signal,
      (error) => log.error({ err: error }, 'webhooks could not be notified'),
    );
    await Promise.all(this.#running.values());
    await duty?.drop().catch(() => {});
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { log, pulls, webhooks } = this.#dependencies;
    const all = await webhooks.all();
    this.#known = new Set(all.map(({ id }) => id));
    pulls.wanted = all.some(({ events }) => events.includes('pull'));
    if (all.length === 0) return;
    const sampled = pulls.take();
    if (sampled.length > 0) await webhooks.tell(sampled);
    const pending = await webhooks.pending();
    if (pending.size === 0 || !(await this.#mine())) return;
    if (performance.now() - this.#trimmedAt >= TRIM_EVERY) await this.#trim(all, signal);
    for (const webhook of all) {
      const { id, name } = webhook;
      if (!pending.has(id) || this.#running.has(id) || this.#isPaused(String(id))) continue;
      const work = this.#serve(webhook, signal)
        .catch((error: unknown) => {
          if (!signal.aborted) log.error({ err: error, webhook: name }, 'a webhook could not be notified');
        })
        .finally(() => this.#running.delete(id));
      this.#running.set(id, work);
    }
  }

  async #trim(all: readonly KeptWebhook[], signal: AbortSignal): Promise<void> {
    const { log, webhooks } = this.#dependencies;
    const limits = { events: MOST_WAITING, since: new Date(Date.now() - LONGEST_WAIT) };
    for (const { id, name } of all) {
      let dropped = 0;
      for (let some = 1; some > 0 && !signal.aborted; dropped += some) {
        some = await webhooks.trim(id, limits);
        await turn();
      }
      if (dropped > 0) log.warn({ webhook: name, dropped }, 'events that waited too long were dropped');
    }
    this.#trimmedAt = performance.now();
    for (const [key, { until }] of this.#pauses) {
      const isOver = this.#trimmedAt - until > LONGEST_PAUSE;
      if (isOver || !this.#known.has(Number(key.split(' ')[0]))) this.#pauses.delete(key);
    }
  }

  async #serve(webhook: KeptWebhook, signal: AbortSignal): Promise<void> {
    const { webhooks } = this.#dependencies;
    const { id } = webhook;
    for (;;) {
      const prefix = `${id} `;
      const paused = [...this.#pauses.keys()]
        .filter((key) => key.startsWith(prefix) && this.#isPaused(key))
        .map((key) => key.slice(prefix.length));
      const events = await webhooks.waiting(id, paused, AT_ONCE);
      if (events.length === 0) return;
      for (const event of events) {
        if (signal.aborted || performance.now() > this.#heldUntil || !this.#known.has(id)) return;
        if (this.#isPaused(prefix + event.event.repository)) continue;
        if (!(await this.#tell(webhook, event, signal))) return;
      }
    }
  }

  /** Returns false when the receiver must be retried later. */
  async #tell(webhook: KeptWebhook, event: WaitingEvent, signal: AbortSignal): Promise<boolean> {
    const { deliver, log, webhooks } = this.#dependencies;
    const { id, name } = webhook;
    const outcome = await deliver(webhook, event.event, signal);
    const { repository } = event.event;
    if (outcome.kind === 'told') {
      await webhooks.told(id, event);
      this.#pauses.delete(String(id));
      this.#pauses.delete(`${id} ${repository}`);
      return true;
    }
    const { failure } = outcome;
    log.warn({ webhook: name, repository, failure }, 'a webhook could not be notified; it will be retried');
    await webhooks.failed(id, event, failure);
    this.#pause(outcome.kind === 'refused' ? `${id} ${repository}` : String(id));
    return outcome.kind === 'refused';
  }

  #isPaused(key: string): boolean {
    return performance.now() < (this.#pauses.get(key)?.until ?? 0);
  }

  #pause(key: string): void {
    const failures = this.#pauses.get(key)?.failures ?? 0;
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures);
    const until = performance.now() + longest * (0.5 + Math.random() / 2);
    this.#pauses.set(key, { until, failures: failures + 1 });
  }

  async #mine(): Promise<boolean> {
    const { duty } = this.#dependencies;
    const now = performance.now();
    if (duty === undefined) {
      this.#heldUntil = Number.POSITIVE_INFINITY;
      return true;
    }
    if (this.#heldUntil - now > WEBHOOKS_LEASE - RENEW_AFTER) return true;
    const taken = await duty.take();
    this.#heldUntil = taken ? now + WEBHOOKS_LEASE : Number.NEGATIVE_INFINITY;
    return taken;
  }
}
