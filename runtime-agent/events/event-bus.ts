/** What happened, as the Engine API names it (`docker events`). */
export interface EngineEvent {
  readonly type: 'container' | 'image' | 'volume' | 'network';
  /** `create`, `start`, `die`, `pull` …; `kill` and others as dockerd words them. */
  readonly action: string;
  /** Container ID, or image reference or ID. */
  readonly id: string;
  /** All strings, labels included; `image` and `name` for a container. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Nanoseconds since 1970. */
  readonly timeNano: bigint;
}

const KEPT = 1024;
/** Characters of their attributes, of which labels may be long. */
const MAX_CHARACTERS = 8 << 20;

/** Hands each event to every subscriber in order, and keeps the last ones for `docker events --since`. */
export class EventBus {
  readonly #recent: EngineEvent[] = [];
  #characters = 0;
  readonly #listeners = new Set<(event: EngineEvent) => void>();

  publish(event: Omit<EngineEvent, 'timeNano'>): void {
    const stamped: EngineEvent = { ...event, timeNano: BigInt(Date.now()) * 1_000_000n };
    this.#recent.push(stamped);
    this.#characters += charactersOf(stamped);
    while (this.#recent.length > KEPT || (this.#characters > MAX_CHARACTERS && this.#recent.length > 1)) {
      const oldest = this.#recent.shift();
      if (oldest !== undefined) this.#characters -= charactersOf(oldest);
    }
    for (const listener of this.#listeners) listener(stamped);
  }

  /** The kept events from `since` on (milliseconds since 1970), oldest first. */
  recent(since: number): readonly EngineEvent[] {
    const from = BigInt(Math.floor(since)) * 1_000_000n;
    return this.#recent.filter((event) => event.timeNano >= from);
  }

  /** Calls `listener` at each event until the returned function is called. The listener must not throw. */
  subscribe(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** Characters of the attributes of an event. */
export function charactersOf({ attributes }: EngineEvent): number {
  let sum = 0;
  for (const [name, value] of Object.entries(attributes)) sum += name.length + value.length;
  return sum;
}
