import { makeSigningKey } from '../tokens/key-ring.ts';
import type { KeyStore, SigningKey } from '../tokens/key-store.ts';

/** Milliseconds: longer than any token counts, with what other processes need to learn of the new key. */
export const KEY_OVERLAP = 2 * 60 * 60 * 1000;

/**
 * Makes a new key that signs from now on. Tokens of the keys before it count for `overlap` milliseconds more: with 0
 * all tokens that were given are void within seconds, and clients ask for new ones.
 */
export async function rotateKeys(keys: KeyStore, overlap: number = KEY_OVERLAP): Promise<SigningKey> {
  const now = new Date();
  const key = await makeSigningKey(now);
  await keys.rotate(key, new Date(now.getTime() + overlap));
  return key;
}
