import type { Logger } from 'pino';
import type { AuditCatalog, AuditEntry } from '../../storage/catalog/audit-catalog.ts';
import { repeat } from '../background/repeat.ts';

const RHYTHM = { first: 1000, every: 1000 };
/** Maximum lines in a burst, and milliseconds until one more: about ten megabytes a day. */
const MOST_LINES = 1000;
const LINE_EVERY = 1000;
/** Minimum milliseconds between two lines that summarise the surplus. */
const SURPLUS_EVERY = 60_000;

/** The audit entry of a refusal. */
export type Refusal = Omit<AuditEntry, 'at' | 'count'>;

/**
 * Records refusals a second later, combining similar ones. The rate is limited to what the disk can sustain: refusals
 * beyond it are only counted. A killed process loses those of the last second.
 */
export class Refusals {
  readonly #audit: Pick<AuditCatalog, 'record'>;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #held = new Map<string, AuditEntry>();
  #lines = MOST_LINES;
  #filledAt: number;
  #surplus = 0;
  #surplusAt = Number.NEGATIVE_INFINITY;

  constructor(audit: Pick<AuditCatalog, 'record'>, log: Logger, now: () => number = () => performance.now()) {
    this.#audit = audit;
    this.#log = log;
    this.#now = now;
    this.#filledAt = now();
  }

  note(refusal: Refusal): void {
    const key = JSON.stringify(refusal);
    const held = this.#held.get(key);
    if (held === undefined && this.#lines < 1) {
      this.#surplus += 1;
      return;
    }
    if (held === undefined) this.#lines -= 1;
    this.#held.set(key, { ...refusal, at: held?.at ?? new Date(), count: (held?.count ?? 0) + 1 });
  }

  /** Writes every second until `signal` aborts, and then once more; resolves after that. */
  async keep(signal: AbortSignal): Promise<void> {
    const fail = (error: unknown) => this.#log.error({ err: error }, 'refusals could not be recorded');
    await repeat(() => this.write(), RHYTHM, signal, fail);
    await this.write().catch(fail);
  }

  /** Records the pending refusals. */
  async write(): Promise<void> {
    const now = this.#now();
    this.#lines = Math.min(MOST_LINES, this.#lines + (now - this.#filledAt) / LINE_EVERY);
    this.#filledAt = now;
    const entries = [...this.#held.values()];
    this.#held.clear();
    if (this.#surplus > 0 && now - this.#surplusAt >= SURPLUS_EVERY) {
      const detail = 'refusals that were too many to be recorded one by one';
      entries.push({ at: new Date(), action: 'pull', outcome: 'denied', detail, count: this.#surplus });
      this.#surplus = 0;
      this.#surplusAt = now;
    }
    for (let start = 0; start < entries.length; start += 50) {
      await this.#audit.record(entries.slice(start, start + 50));
    }
  }
}
