/** Bytes of log that may come at once, and of each second after that: at most 22 GB a day, however many requests fail. */
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

  /** How many lines were left out before this one; undefined when it is left out as well. */
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
