/** An event, named as in the Engine API (`docker events`). */
export interface EngineEvent {
  readonly type: 'container' | 'image' | 'volume' | 'network';
  /** `create`, `start`, `die`, `pull` …; `kill` and others in dockerd's form. */
  readonly action: string;
  /** Container ID, or image reference or ID. */
  readonly id: string;
  /** All strings, labels included; `image` and `name` for a container. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Nanoseconds since 1970. */
  readonly timeNano: bigint;
}

/** Nanoseconds between events of one millisecond: fractions are exact to a microsecond as numbers. */
const STEP = 1000n;
/** Maximum nanoseconds by which rapid events may run ahead of the clock. Beyond that the clock was set back. */
const AHEAD = 1_000_000_000n;
const KEPT = 1024;
/** Maximum characters of attributes; labels may be long. */
const MAX_CHARACTERS = 8 << 20;

/** Passes each event to every subscriber in order, and stores the latest ones for `docker events --since`. */
export class EventBus {
  readonly #recent: EngineEvent[] = [];
  #latest = 0n;
  #characters = 0;
  readonly #listeners = new Set<(event: EngineEvent) => void>();

  /**
   * Returns the current time in nanoseconds since 1970, strictly increasing, so that a request for events since then
   * returns no earlier event. It goes back only if the clock of the host was set back.
   */
  now(): bigint {
    const now = BigInt(Date.now()) * 1_000_000n;
    const isBehind = now <= this.#latest && this.#latest - now < AHEAD;
    this.#latest = isBehind ? this.#latest + STEP : now;
    return this.#latest;
  }

  publish(event: Omit<EngineEvent, 'timeNano'>): void {
    const stamped: EngineEvent = { ...event, timeNano: this.now() };
    this.#recent.push(stamped);
    this.#characters += charactersOf(stamped);
    while (this.#recent.length > KEPT || (this.#characters > MAX_CHARACTERS && this.#recent.length > 1)) {
      const oldest = this.#recent.shift();
      if (oldest !== undefined) this.#characters -= charactersOf(oldest);
    }
    for (const listener of this.#listeners) listener(stamped);
  }

  /** Returns the stored events from `since` on (milliseconds since 1970), oldest first. */
  recent(since: number): readonly EngineEvent[] {
    const from = nanoseconds(since);
    return this.#recent.filter((event) => event.timeNano >= from);
  }

  /** Calls `listener` at each event until the returned function is called. The listener must not throw. */
  subscribe(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** Milliseconds since 1970 as nanoseconds, to the microsecond. */
export function nanoseconds(milliseconds: number): bigint {
  return BigInt(Math.round(milliseconds * 1000)) * STEP;
}

/** Characters of the attributes of an event. */
export function charactersOf({ attributes }: EngineEvent): number {
  let sum = 0;
  for (const [name, value] of Object.entries(attributes)) sum += name.length + value.length;
  return sum;
}
