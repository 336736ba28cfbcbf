import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import { remoteKeys } from '../remote-keys.ts';
import type { KeySource } from './token-verifier.ts';

/**
 * Returns the keys of an external token server: given directly, or fetched from a URL, again every ten minutes and when
 * a token names an unknown key. Tokens of a withdrawn key stay valid until they expire. While the keys cannot be
 * fetched, tokens that were verified before still work, and others are refused with ProviderUnreachableError.
 */
export function outsideKeys(keys: { readonly url: URL } | { readonly set: JSONWebKeySet }): KeySource {
  const find =
    'url' in keys
      ? remoteKeys(keys.url, `the keys of the token server cannot be read from ${keys.url}: try again soon`)
      : createLocalJWKSet(keys.set);
  return { find, generation: () => 0 };
}
