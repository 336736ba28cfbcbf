/**
 * The position in the log of one instance. It filters out repeated lines when the log is read again from an earlier
 * time. Lines may have equal times.
 */
export class LogPosition {
  #time = '';
  #count = 0;
  #reread: { readonly until: string; left: number } | undefined;

  /** Time of the last entry, RFC 3339; '' before the first. */
  get time(): string {
    return this.#time;
  }

  /** Called before the log is read again. */
  rewind(): void {
    this.#reread = { until: this.#time, left: this.#count };
  }

  /** Counts the next entry; returns false when it was read before. */
  take(time: string): boolean {
    if (this.#reread !== undefined) {
      if (time < this.#reread.until) return false;
      if (time === this.#reread.until && this.#reread.left > 0) {
        this.#reread.left -= 1;
        return false;
      }
      this.#reread = undefined;
    }
    this.#count = time === this.#time ? this.#count + 1 : 1;
    this.#time = time;
    return true;
  }
}

/**
 * Returns the time, in ms since 1970, from which to read logs again: shortly before the newest entry. Undefined before
 * the first.
 */
export function rereadFrom(positions: Iterable<LogPosition>): number | undefined {
  const times = [...positions].map(({ time }) => Date.parse(time)).filter((time) => time > 0);
  return times.length === 0 ? undefined : Math.max(0, Math.max(...times) - OVERLAP);
}

/** Milliseconds; lines of several instances are not exactly ordered. */
const OVERLAP = 5_000;
