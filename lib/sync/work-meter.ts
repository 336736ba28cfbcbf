import { setImmediate as turn } from 'node:timers/promises';

/** Steps between two turns of the event loop: a millisecond or so. */
const STEPS_A_TURN = 200_000;

/** Counts the work of a request, so that it lets the event loop turn when it has done much at once. */
export class WorkMeter {
  /** Turns of the event loop that were let through. */
  turns = 0;
  #taken = 0;

  take(count: number): void {
    this.#taken += count;
  }

  /** Waits for a turn of the event loop when enough was done since the last one. */
  async rest(): Promise<void> {
    if (this.#taken < STEPS_A_TURN) return;
    this.#taken = 0;
    this.turns += 1;
    await turn();
  }

  /** The items that fit, looked at one after the other with rests between. */
  async filter<T>(items: Iterable<T>, fits: (item: T, index: number) => boolean): Promise<T[]> {
    const fitting: T[] = [];
    let index = 0;
    for (const item of items) {
      if (fits(item, index)) fitting.push(item);
      index += 1;
      if (this.#taken >= STEPS_A_TURN) await this.rest();
    }
    return fitting;
  }
}
