import { setTimeout as sleep } from 'node:timers/promises';

export interface Rhythm {
  /** Milliseconds until the first run. */
  readonly first: number;
  /** Milliseconds from the end of one run to the start of the next. */
  readonly every: number;
}

/**
 * Repeats `work` until `signal` aborts, and resolves when the last run has ended. Errors go to `onError`, and the next
 * run tries again. Does not keep the process alive.
 */
export async function repeat(
  work: (signal: AbortSignal) => Promise<void>,
  { first, every }: Rhythm,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> {
  for (let pause = first; await pausedFor(pause, signal); pause = every) {
    try {
      await work(signal);
    } catch (error) {
      if (!signal.aborted) onError(error);
    }
  }
}

/** Waits, and returns false as soon as `signal` aborts. Does not keep the process alive. */
export async function pausedFor(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(milliseconds, undefined, { signal, ref: false });
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
