/** The place of a client in a FairQueue. */
export interface QueuePlace {
  /** Index into the queue's lanes. */
  readonly lane: number;
  /** Keys of the client, from the widest group to the narrowest, such as its address and account. */
  readonly keys: readonly [string, string];
}

type Waiters = Set<() => void>;
type Lane = Map<string, Map<string, Waiters>>;

/**
 * Runs a limited number of works concurrently. Waiters take turns by the first key, and within it by the second:
 * however many works one key queues, every other key is served after at most one of them. `schedule` is the order in
 * which the lanes are served, such as `[0, 0, 1]`: a lane that is named more often gets more turns, and an empty one is
 * skipped.
 */
export class FairQueue {
  #free: number;
  #turn = 0;
  readonly #lanes: readonly Lane[];
  readonly #schedule: readonly number[];

  constructor(places: number, schedule: readonly [number, ...number[]] = [0]) {
    this.#free = places;
    this.#schedule = schedule;
    this.#lanes = Array.from({ length: Math.max(...schedule) + 1 }, () => new Map());
  }

  /** Runs `work` when its turn comes. Rejects with the signal's reason when that aborts first. */
  async hold<T>(place: QueuePlace, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(place, signal);
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  async #wait({ lane: index, keys: [outer, inner] }: QueuePlace, signal: AbortSignal): Promise<void> {
    const lane = this.#lanes[index];
    if (lane === undefined) throw new Error(`the queue has no lane ${index}`);
    const group = lane.get(outer) ?? new Map<string, Waiters>();
    const waiters = group.get(inner) ?? new Set();
    lane.set(outer, group);
    group.set(inner, waiters);
    const turn = Promise.withResolvers<void>();
    waiters.add(turn.resolve);
    const abort = () => {
      if (!waiters.delete(turn.resolve)) return;
      if (waiters.size === 0 && group.get(inner) === waiters) group.delete(inner);
      if (group.size === 0 && lane.get(outer) === group) lane.delete(outer);
      turn.reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      await turn.promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Passes the place to the next waiter, without freeing it in between. */
  #leave(): void {
    for (let step = 0; step < this.#schedule.length; step += 1) {
      const lane = this.#lanes[this.#schedule[this.#turn] ?? 0];
      this.#turn = (this.#turn + 1) % this.#schedule.length;
      const next = lane && takeNext(lane);
      if (next === undefined) continue;
      next();
      return;
    }
    this.#free += 1;
  }
}

/** Takes the next waiter; its group moves to the end of its map. */
function takeNext(lane: Lane): (() => void) | undefined {
  const [outer] = lane;
  if (outer === undefined) return undefined;
  const [outerKey, group] = outer;
  lane.delete(outerKey);
  const [inner] = group;
  if (inner === undefined) return undefined;
  const [innerKey, waiters] = inner;
  group.delete(innerKey);
  const [next] = waiters;
  if (next !== undefined) waiters.delete(next);
  if (waiters.size > 0) group.set(innerKey, waiters);
  if (group.size > 0) lane.set(outerKey, group);
  return next;
}
