import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
} from 'jose';
import { ProviderUnreachableError } from '../errors.ts';
import type { KeySource } from './token-verifier.ts';

/**
 * The keys of another token server: as they are given, or asked for at a URL, again every ten minutes and when a token
 * names one that is not known. One that was withdrawn counts until its tokens end. While they cannot be asked for,
 * tokens that were verified before go on, and others are refused with ProviderUnreachableError.
 */
export function outsideKeys(keys: { readonly url: URL } | { readonly set: JSONWebKeySet }): KeySource {
  return { find: 'url' in keys ? remoteKeys(keys.url) : createLocalJWKSet(keys.set), generation: () => 0 };
}

function remoteKeys(url: URL): JWTVerifyGetKey {
  const find = createRemoteJWKSet(url);
  return async (header, token) => {
    try {
      return await find(header, token);
    } catch (cause) {
      if (cause instanceof errors.JWKSNoMatchingKey || cause instanceof errors.JWKSMultipleMatchingKeys)
        throw cause;
      // A header that no key could be for is the token's fault.
      if (cause instanceof errors.JOSENotSupported) throw cause;
      throw new ProviderUnreachableError(
        `the keys of the token server cannot be read from ${url}: try again soon`,
        {
          cause,
        },
      );
    }
  };
}
