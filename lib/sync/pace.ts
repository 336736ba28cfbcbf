import { setImmediate as turn } from 'node:timers/promises';

/** A step takes a tenth of a microsecond to a few microseconds, so a turn takes a few milliseconds. */
const STEPS_PER_TURN = 20_000;

/** Yields to the event loop during long work, so that other requests are served meanwhile. */
export class Pace {
  /** Number of yields so far. */
  turns = 0;
  readonly #stepsPerTurn: number;
  #steps = 0;

  constructor(stepsPerTurn: number = STEPS_PER_TURN) {
    this.#stepsPerTurn = stepsPerTurn;
  }

  /** Counts finished work. Yields to the event loop when enough has been done since the last yield. */
  async after(steps: number): Promise<void> {
    this.take(steps);
    await this.rest();
  }

  /** Counts work in synchronous code; the caller calls `rest` soon. */
  take(steps: number): void {
    this.#steps += steps;
  }

  /** Whether `rest` would wait. */
  get isDue(): boolean {
    return this.#steps >= this.#stepsPerTurn;
  }

  /** Yields to the event loop when enough has been done since the last yield. */
  async rest(): Promise<void> {
    if (!this.isDue) return;
    this.#steps = 0;
    this.turns += 1;
    await turn();
  }

  /** Filters items one after the other, with yields in between; `fits` counts its steps by `take`. */
  async filter<T>(items: Iterable<T>, fits: (item: T, index: number) => boolean): Promise<T[]> {
    const fitting: T[] = [];
    let index = 0;
    for (const item of items) {
      if (fits(item, index)) fitting.push(item);
      index += 1;
      if (this.isDue) await this.rest();
    }
    return fitting;
  }
}
