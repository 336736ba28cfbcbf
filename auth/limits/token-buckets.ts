/** How often something may happen: so often at once, and again after this time each. */
export interface Rate {
  readonly burst: number;
  /** Milliseconds in which one more is allowed. */
  readonly interval: number;
}

interface Bucket {
  /** What is used up, at `at`. */
  readonly used: number;
  readonly at: number;
}

const MOST_KEYS = 50_000;

/** Counts by key. Bounded: when there are too many keys, those that have been idle for longest are forgotten. */
export class TokenBuckets {
  readonly #rate: Rate;
  readonly #buckets = new Map<string, Bucket>();
  readonly #now: () => number;

  constructor(rate: Rate, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
  }

  /** Milliseconds until the key may go on; 0 when it may. */
  wait(key: string): number {
    const over = this.#used(key) + 1 - this.#rate.burst;
    return over <= 0 ? 0 : Math.ceil(over * this.#rate.interval);
  }

  /** Counts one. */
  take(key: string): void {
    const used = Math.min(this.#used(key) + 1, this.#rate.burst);
    // At the end of the map, whose beginning is what was idle for longest.
    this.#buckets.delete(key);
    if (this.#buckets.size >= MOST_KEYS) this.#buckets.delete(this.#buckets.keys().next().value ?? '');
    this.#buckets.set(key, { used, at: this.#now() });
  }

  #used(key: string): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return 0;
    return Math.max(0, bucket.used - (this.#now() - bucket.at) / this.#rate.interval);
  }
}
