/** State of a thread whose event loop has not turned since the last check. */
export interface ThreadReading {
  /** Of proc(5): `R` running, `S` sleeping, `D` waiting for a device, `T` stopped, `t` stopped by a debugger. */
  readonly state: string;
  /** Whether a debugger or a tracer is attached. */
  readonly traced: boolean;
  /** Total milliseconds that it was runnable and waited for a processor. */
  readonly queued: number;
}

export interface Look {
  /** The number of heartbeats so far. */
  readonly beats: number;
  /** Milliseconds since the last check. */
  readonly elapsed: number;
  /** Called only without a heartbeat; returns undefined when the system cannot say. */
  readonly read: () => ThreadReading | undefined;
}

/** Factor for a thread that waits for a disk or a file server: a failover takes half a minute. */
const DEVICE_FACTOR = 6;

/**
 * Detects a stalled event loop: its thread had `limit` milliseconds, in which it ran or slept, without a turn. Time
 * outside its control does not count: waiting for a processor, being stopped, being debugged. A late check counts as
 * one `interval`, because the whole process was then stopped or the machine was suspended.
 */
export class StallClock {
  readonly #limit: number;
  readonly #interval: number;
  #beats = -1;
  #queued: number | undefined;
  #counted = 0;
  #device = 0;

  constructor(limit: number, interval: number) {
    this.#limit = limit;
    this.#interval = interval;
  }

  /** Milliseconds without a turn that have counted so far. */
  get counted(): number {
    return this.#counted + this.#device;
  }

  /** Checks again, and returns whether the event loop has stalled. */
  look({ beats, elapsed, read }: Look): boolean {
    if (beats !== this.#beats) {
      this.#beats = beats;
      this.#queued = undefined;
      this.#counted = 0;
      this.#device = 0;
      return false;
    }
    const reading = read();
    const before = this.#queued;
    this.#queued = reading?.queued ?? 0;
    // The time that it waited for a processor is known from the second reading on.
    if (before === undefined) return false;
    if (reading?.traced || reading?.state === 'T' || reading?.state === 't') return false;
    const time = Math.max(0, Math.min(elapsed, this.#interval) - (this.#queued - before));
    if (reading?.state === 'D') this.#device += time;
    else this.#counted += time;
    return this.#counted >= this.#limit || this.counted >= this.#limit * DEVICE_FACTOR;
  }
}
