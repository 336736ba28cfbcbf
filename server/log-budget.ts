/** Burst of the log, and its rate a second, in bytes: at most 22 GB a day. */
const BURST = 8 * 1024 * 1024;
const PER_SECOND = 256 * 1024;

/** Bounds the bytes of a log, whatever writes to it. */
export class LogBudget {
  readonly #now: () => number;
  #left = BURST;
  #at: number;
  #dropped = 0;

  /** `now`: milliseconds, from any start. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#at = now();
  }

  /** Returns how many lines were dropped before this one; undefined if this one is dropped too. */
  take(bytes: number): number | undefined {
    const now = this.#now();
    this.#left = Math.min(BURST, this.#left + ((now - this.#at) / 1000) * PER_SECOND);
    this.#at = now;
    if (this.#left < bytes) {
      this.#dropped += 1;
      return undefined;
    }
    this.#left -= bytes;
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
