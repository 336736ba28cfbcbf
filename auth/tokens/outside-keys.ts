import { createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet } from 'jose';
import type { KeySource } from './key-source.ts';

/**
 * The keys of another token server: as they are given, or asked for at a URL, again every ten minutes and when a token
 * names one that is not known. One that was withdrawn counts until its tokens end.
 */
export function outsideKeys(keys: { readonly url: URL } | { readonly set: JSONWebKeySet }): KeySource {
  return {
    find: 'url' in keys ? createRemoteJWKSet(keys.url) : createLocalJWKSet(keys.set),
    generation: () => 0,
  };
}
