/** Maximum keys that are remembered; the ones that failed longest ago are forgotten first. */
const MOST_KEYS = 50_000;

interface Count {
  /** At `at`. */
  readonly failures: number;
  readonly at: number;
}

/** Counts failures by key, and forgets one of them after each `forgetting` milliseconds without another. */
export class Failures {
  readonly #counts = new Map<string, Count>();
  readonly #forgetting: number;
  readonly #now: () => number;

  constructor(forgetting: number, now: () => number) {
    this.#forgetting = forgetting;
    this.#now = now;
  }

  of(key: string): number {
    const count = this.#counts.get(key);
    if (count === undefined) return 0;
    return Math.max(0, count.failures - Math.floor((this.#now() - count.at) / this.#forgetting));
  }

  /** Milliseconds since the last failure. */
  since(key: string): number {
    const count = this.#counts.get(key);
    return count === undefined ? Number.POSITIVE_INFINITY : this.#now() - count.at;
  }

  add(key: string): void {
    const failures = this.of(key) + 1;
    this.#counts.delete(key);
    if (this.#counts.size >= MOST_KEYS) this.#counts.delete(this.#counts.keys().next().value ?? '');
    this.#counts.set(key, { failures, at: this.#now() });
  }
}
