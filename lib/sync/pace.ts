import { setImmediate as turn } from 'node:timers/promises';

/** Steps of about a tenth of a microsecond to a few microseconds: together a few milliseconds. */
const STEPS_PER_TURN = 20_000;

/** Lets the event loop turn while long work goes on, so that other requests are answered meanwhile. */
export class Pace {
  readonly #stepsPerTurn: number;
  #steps = 0;

  constructor(stepsPerTurn: number = STEPS_PER_TURN) {
    this.#stepsPerTurn = stepsPerTurn;
  }

  /** Counts work that has been done. Waits for the event loop to turn when enough has been done since the last time. */
  async after(steps: number): Promise<void> {
    this.#steps += steps;
    if (this.#steps < this.#stepsPerTurn) return;
    this.#steps = 0;
    await turn();
  }
}
