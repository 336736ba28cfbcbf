/** Limits of one container in the resolvers' thread. */
export const DNS_LIMITS = {
  /** Queries per second that are answered, and the burst after a pause. */
  queriesPerSecond: 5_000,
  queriesAtOnce: 5_000,
  /** Open connections. */
  connections: { own: 32, all: 256, always: 4 },
  /** Maximum forwarded queries, each of which needs a socket of the host. */
  forwarded: { own: 256, all: 1024, always: 32 },
  /** Maximum bytes of a query over TCP. */
  queryBytes: 4096,
  /** Maximum bytes of answers that wait in a socket. */
  waitingBytes: 256 * 1024,
  /** Milliseconds after which a silent connection is closed. */
  idle: 10_000,
} as const;

export interface ShareLimits {
  /** Maximum of one container. */
  readonly own: number;
  /** Total beyond which each container gets at most `always`. */
  readonly all: number;
  readonly always: number;
}

/** A resource that containers share, with a limit for each and in total. */
export class Shares {
  readonly #limits: ShareLimits;
  readonly #held = new Map<string, number>();
  #total = 0;

  constructor(limits: ShareLimits) {
    this.#limits = limits;
  }

  /** Takes one unit for a container; returns false at its limit. The caller returns it. */
  take(container: string): boolean {
    const { own, all, always } = this.#limits;
    const held = this.#held.get(container) ?? 0;
    if (held >= own || (this.#total >= all && held >= always)) return false;
    this.#held.set(container, held + 1);
    this.#total += 1;
    return true;
  }

  giveBack(container: string): void {
    const held = (this.#held.get(container) ?? 0) - 1;
    if (held > 0) this.#held.set(container, held);
    else this.#held.delete(container);
    this.#total -= 1;
  }
}

/** A token bucket of a container's queries. */
export class QueryBudget {
  readonly #perSecond: number;
  readonly #most: number;
  readonly #now: () => number;
  #left: number;
  #at: number;

  /** `now` returns milliseconds. */
  constructor(perSecond: number, most: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#most = most;
    this.#now = now;
    this.#left = most;
    this.#at = now();
  }

  /** Takes one query; otherwise returns the milliseconds until one is available. */
  take(): 0 | number {
    const now = this.#now();
    this.#left = Math.min(this.#most, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    if (this.#left >= 1) {
      this.#left -= 1;
      return 0;
    }
    return Math.max(1, Math.ceil(((1 - this.#left) / this.#perSecond) * 1000));
  }
}
