import { setImmediate as turn } from 'node:timers/promises';

/** Steps of about a tenth of a microsecond to a few microseconds: together a few milliseconds. */
const STEPS_PER_TURN = 20_000;

/** Lets the event loop turn while long work goes on, so that other requests are answered meanwhile. */
export class Pace {
  /** Turns of the event loop that were waited for. */
  turns = 0;
  readonly #stepsPerTurn: number;
  #steps = 0;

  constructor(stepsPerTurn: number = STEPS_PER_TURN) {
    this.#stepsPerTurn = stepsPerTurn;
  }

  /** Counts work that has been done. Waits for the event loop to turn when enough has been done since the last time. */
  async after(steps: number): Promise<void> {
    this.take(steps);
    await this.rest();
  }

  /** Counts work where nothing can wait; `rest` is called soon. */
  take(steps: number): void {
    this.#steps += steps;
  }

  /** Whether `rest` would wait. */
  get isDue(): boolean {
    return this.#steps >= this.#stepsPerTurn;
  }

  /** Waits for the event loop to turn when enough has been done since the last time. */
  async rest(): Promise<void> {
    if (!this.isDue) return;
    this.#steps = 0;
    this.turns += 1;
    await turn();
  }

  /** The items that fit, looked at one after the other with rests between; `fits` counts its steps by `take`. */
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
