import { setTimeout as sleep } from 'node:timers/promises';

/** Number of retries of a failed request to a registry, and their delay. */
export interface RetryPolicy {
  /** Attempts of one request, including the first. */
  readonly requestTries: number;
  /** Maximum consecutive failures of a blob's transfer without any byte between them. */
  readonly transferTries: number;
  /** Maximum pause before a retry, in milliseconds, even if the registry requests a longer one. */
  readonly maxPause: number;
}

/** For pulls and pushes: a user waits for them. */
export const INTERACTIVE_RETRIES: RetryPolicy = { requestTries: 4, transferTries: 7, maxPause: 10_000 };

/** For imports, which run for hours: a rate limit may refuse requests for a minute. */
export const IMPORT_RETRIES: RetryPolicy = { requestTries: 6, transferTries: 7, maxPause: 60_000 };

/** Maximum requests per blob, whatever progress each makes. */
export const MAX_TRANSFER_REQUESTS = 200;

/** Pause before the first retry, in milliseconds. It doubles with each consecutive failure. */
const FIRST_PAUSE = 200;

/** Reports whether the same request may succeed later, by its status (RFC 9110, 15.5 and 15.6). */
export function isTransientStatus(status: number): boolean {
  return status >= 500 || status === 429 || status === 408;
}

/** A temporary failure. `after` is the server's Retry-After in milliseconds. */
export class TransientError extends Error {
  override readonly name = 'TransientError';
  readonly after: number;
  constructor(failure: Error, after = 0) {
    super(failure.message, { cause: failure });
    this.after = after;
  }

  /** The error to throw when no attempts are left. */
  get failure(): Error {
    return this.cause as Error;
  }
}

/** Waits before the retry after `failures` consecutive failures. Rejects with the signal's reason. */
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

/** Repeats `work` after a TransientError, up to `requestTries` attempts; then throws its failure. */
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

/** Parses Retry-After in seconds or as a date (RFC 9110, 10.2.3); 0 without one. */
export function retryAfter(header: string | undefined, now: number): number {
  if (header === undefined) return 0;
  const seconds = Number(header);
  const pause = Number.isNaN(seconds) ? Date.parse(header) - now : seconds * 1000;
  return Number.isNaN(pause) ? 0 : Math.max(0, pause);
}
