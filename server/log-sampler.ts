export interface SamplingOptions {
  /** Lines a second that are always logged. */
  readonly always: number;
  /** Of those beyond, one in this many. */
  readonly oneIn: number;
  /** Milliseconds, from any start. */
  readonly now?: () => number;
}

/** Decides which of many alike lines are logged, so that a log of what is well costs little however much there is. */
export class LogSampler {
  readonly #options: Required<SamplingOptions>;
  #second = 0;
  #taken = 0;
  #unlogged = 0;

  constructor(options: SamplingOptions) {
    this.#options = { now: () => performance.now(), ...options };
  }

  /** Undefined when the line is left out, otherwise how many were left out before it since the last that was not. */
  take(): number | undefined {
    const { always, oneIn, now } = this.#options;
    const second = Math.floor(now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#taken = 0;
    }
    if (this.#taken >= always && this.#unlogged + 1 < oneIn) {
      this.#unlogged += 1;
      return undefined;
    }
    this.#taken += 1;
    const unlogged = this.#unlogged;
    this.#unlogged = 0;
    return unlogged;
  }
}
