import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import { remoteKeys } from '../remote-keys.ts';
import type { KeySource } from './token-verifier.ts';

/**
 * The keys of another token server: as they are given, or asked for at a URL, again every ten minutes and when a token
 * names one that is not known. One that was withdrawn counts until its tokens end. While they cannot be asked for,
 * tokens that were verified before go on, and others are refused with ProviderUnreachableError.
 */
export function outsideKeys(keys: { readonly url: URL } | { readonly set: JSONWebKeySet }): KeySource {
  const find =
    'url' in keys
      ? remoteKeys(keys.url, `the keys of the token server cannot be read from ${keys.url}: try again soon`)
      : createLocalJWKSet(keys.set);
  return { find, generation: () => 0 };
}
