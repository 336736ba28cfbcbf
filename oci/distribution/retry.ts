import { setTimeout as sleep } from 'node:timers/promises';

/** A failure that may be gone in a moment; `after` is how long the server wants to be left alone, in milliseconds. */
export class TransientError extends Error {
  override readonly name = 'TransientError';
  readonly after: number;
  constructor(failure: Error, after = 0) {
    super(failure.message, { cause: failure });
    this.after = after;
  }

  /** What is told when it is not gone. */
  get failure(): Error {
    return this.cause as Error;
  }
}

const FIRST_PAUSE = 200;
const MAX_PAUSE = 10_000;

/** Waits before the try after the `failures`th failure in a row, longer each time. Rejects with the signal's reason. */
export async function pauseBeforeRetry(failures: number, after: number, signal: AbortSignal): Promise<void> {
  const backoff = Math.min(FIRST_PAUSE * 2 ** (failures - 1), MAX_PAUSE);
  const pause = Math.max(backoff * (0.5 + Math.random() / 2), Math.min(after, MAX_PAUSE));
  await sleep(pause, undefined, { signal }).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : error;
  });
}

/** Runs `work` again after a TransientError, at most `tries` times in all; then throws the failure in it. */
export async function withRetries<T>(tries: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      if (failures === tries) throw error.failure;
      await pauseBeforeRetry(failures, error.after, signal);
    }
  }
}

/** Reads Retry-After in seconds or as a date (RFC 9110, 10.2.3); 0 when there is none. */
export function retryAfter(header: string | undefined, now: number): number {
  if (header === undefined) return 0;
  const seconds = Number(header);
  const pause = Number.isNaN(seconds) ? Date.parse(header) - now : seconds * 1000;
  return Number.isNaN(pause) ? 0 : Math.max(0, pause);
}
