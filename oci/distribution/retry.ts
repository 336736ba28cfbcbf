import { setTimeout as sleep } from 'node:timers/promises';

/** How often a failed request to a registry is repeated, and after how long. */
export interface RetryPolicy {
  /** Tries of one request, the first included. */
  readonly requestTries: number;
  /** Failures in a row of a blob's transfer without a byte between them, before it is given up. */
  readonly transferTries: number;
  /** Longest pause before a retry, in milliseconds, even if the registry asks for a longer one. */
  readonly maxPause: number;
}

/** The retries of pulls and pushes: somebody waits for them. */
export const INTERACTIVE_RETRIES: RetryPolicy = { requestTries: 4, transferTries: 7, maxPause: 10_000 };

/** The retries of an import, which runs for hours: a registry that limits requests may refuse them for a minute. */
export const IMPORT_RETRIES: RetryPolicy = { requestTries: 6, transferTries: 7, maxPause: 60_000 };

/** Maximum requests for one blob, however far each gets. */
export const MAX_TRANSFER_REQUESTS = 200;

/** Pause before the first retry, in milliseconds. It doubles with each failure in a row. */
const FIRST_PAUSE = 200;

/** Statuses after which the same request may succeed (RFC 9110, 15.5 and 15.6). */
export function isTransientStatus(status: number): boolean {
  return status >= 500 || status === 429 || status === 408;
}

/** A failure that may pass. `after` is the server's Retry-After in milliseconds. */
export class TransientError extends Error {
  override readonly name = 'TransientError';
  readonly after: number;
  constructor(failure: Error, after = 0) {
    super(failure.message, { cause: failure });
    this.after = after;
  }

  /** The error to throw when there are no tries left. */
  get failure(): Error {
    return this.cause as Error;
  }
}

/** Waits before the retry after the `failures`th failure in a row. Rejects with the signal's reason. */
export async function pauseBeforeRetry(
  failures: number,
  after: number,
  { maxPause }: RetryPolicy,
  signal: AbortSignal,
): Promise<void> {
  const backoff = Math.min(FIRST_PAUSE * 2 ** (failures - 1), maxPause);
  const pause = Math.max(backoff * (0.5 + Math.random() / 2), Math.min(after, maxPause));
  await sleep(pause, undefined, { signal }).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : error;
  });
}

/** Repeats `work` after a TransientError, `requestTries` times in all; then throws the failure in it. */
export async function withRetries<T>(
  policy: RetryPolicy,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      if (failures === policy.requestTries) throw error.failure;
      await pauseBeforeRetry(failures, error.after, policy, signal);
    }
  }
}

/** Reads Retry-After in seconds or as a date (RFC 9110, 10.2.3); 0 if there is none. */
export function retryAfter(header: string | undefined, now: number): number {
  if (header === undefined) return 0;
  const seconds = Number(header);
  const pause = Number.isNaN(seconds) ? Date.parse(header) - now : seconds * 1000;
  return Number.isNaN(pause) ? 0 : Math.max(0, pause);
}
