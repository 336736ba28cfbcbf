/** A rate limit: a burst, then one per interval. */
export interface Rate {
  readonly burst: number;
  /** Milliseconds until one more is allowed. */
  readonly interval: number;
}

interface Bucket {
  /** Used amount at time `at`. */
  readonly used: number;
  readonly at: number;
}

const MOST_KEYS = 50_000;

/** Token buckets by key. Bounded: when there are too many keys, the longest idle ones are evicted. */
export class TokenBuckets {
  readonly #rate: Rate;
  readonly #buckets = new Map<string, Bucket>();
  readonly #now: () => number;

  constructor(rate: Rate, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
  }

  /** Returns the milliseconds until the key may proceed; 0 when it may. */
  wait(key: string): number {
    const over = this.#used(key) + 1 - this.#rate.burst;
    return over <= 0 ? 0 : Math.ceil(over * this.#rate.interval);
  }

  /** Takes one token. */
  take(key: string): void {
    const used = Math.min(this.#used(key) + 1, this.#rate.burst);
    // Move the key to the end of the map; its beginning is the longest idle.
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
