import type { S3ClientConfig } from '@aws-sdk/client-s3';

type RetryStrategy = Extract<S3ClientConfig['retryStrategy'], { acquireInitialRetryToken: unknown }>;

const FIRST_DELAY = 100;
const LONGEST_DELAY = 3_000;
/** Milliseconds, beside one silence, after which a request that failed is not tried again: a gateway may be restarted meanwhile. */
const PATIENCE = 15_000;

/**
 * Tries a request again as long as its failure may pass (no connection, a cut one or one that was silent for `silence`
 * milliseconds, 5xx, SlowDown, a clock that has just been corrected), with growing random delays, or the one that the
 * server asks for.
 */
export function patientRetries(silence: number): RetryStrategy {
  const tokenOf = (began: number, count: number, delay: number) => ({
    began,
    getRetryCount: () => count,
    getRetryDelay: () => delay,
  });
  return {
    acquireInitialRetryToken: async () => tokenOf(performance.now(), 0, 0),
    refreshRetryTokenForRetry: async (token, { errorType, retryAfterHint }) => {
      if (errorType === 'CLIENT_ERROR') throw new Error('what is wrong with the request stays wrong');
      const count = token.getRetryCount() + 1;
      const random = Math.random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** count);
      const delay = Math.max(
        random,
        retryAfterHint === undefined ? 0 : retryAfterHint.getTime() - Date.now(),
      );
      const { began } = token as ReturnType<typeof tokenOf>;
      if (performance.now() + delay - began > silence + PATIENCE)
        throw new Error('the server has failed for too long');
      return tokenOf(began, count, delay);
    },
    recordSuccess: () => {},
  };
}
