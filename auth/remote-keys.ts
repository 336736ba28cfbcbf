import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';
import { boundedFetch } from '../lib/http/bounded-fetch.ts';
import { ProviderUnreachableError } from './errors.ts';

const TIMEOUT = 5_000;
/** Maximum bytes; large sets of providers with certificates have some ten thousand. */
const LARGEST_SET = 256 * 1024;

/**
 * Milliseconds without another request to a provider after a failure: any client can send tokens that name its keys.
 */
export const FAILED_FOR = 5_000;

/**
 * Returns a function that finds keys at a URL (RFC 7517, section 5). It fetches them again every ten minutes, and at
 * most twice a minute when a token names an unknown key. The function throws ProviderUnreachableError with `message`
 * while the keys cannot be read; an error of jose means that the token names no known key.
 */
export function remoteKeys(url: URL, message: string): JWTVerifyGetKey {
  let failure: { readonly cause: unknown; readonly until: number } | undefined;
  const fetchSet = boundedFetch(LARGEST_SET);
  const find = createRemoteJWKSet(url, {
    timeoutDuration: TIMEOUT,
    [customFetch]: async (address, options) => {
      if (failure !== undefined && performance.now() < failure.until) throw failure.cause;
      failure = undefined;
      return fetchSet(address, options);
    },
  });
  return async (header, token) => {
    try {
      return await find(header, token);
    } catch (cause) {
      const isOfToken =
        cause instanceof errors.JWKSNoMatchingKey ||
        cause instanceof errors.JWKSMultipleMatchingKeys ||
        // No key could match this header.
        cause instanceof errors.JOSENotSupported;
      if (isOfToken) throw cause;
      failure ??= { cause, until: performance.now() + FAILED_FOR };
      throw new ProviderUnreachableError(message, { cause });
    }
  };
}
