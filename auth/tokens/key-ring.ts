import { hkdfSync } from 'node:crypto';
import {
  type CryptoKey,
  errors,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWTVerifyGetKey,
} from 'jose';
import { makeId } from '../credentials/secret.ts';
import type { KeySource } from './token-verifier.ts';

/** A pair of keys that tokens are signed with. */
export interface SigningKey {
  readonly id: string;
  /** The private JWK (RFC 7517), ES256. */
  readonly privateKey: JWK;
  readonly createdAt: Date;
  /** When tokens that it signed stop to count; undefined for the one that signs. */
  readonly retiresAt?: Date;
}

/** Where signing keys are kept, for every process on the same database. Each method is one durable step. */
export interface KeyStore {
  /** Those that have not retired at `now`, the newest first. */
  list(now: Date): Promise<readonly SigningKey[]>;
  /** Keeps `key` unless there is one that signs already; answers whether it was kept. */
  createFirst(key: SigningKey): Promise<boolean>;
  /** Lets `key` sign from now on; those before it retire at `retiresAt`. */
  rotate(key: SigningKey, retiresAt: Date): Promise<void>;
}

export const SIGNING_ALGORITHM = 'ES256';

/** Milliseconds for which the keys are used as they were read: so long a key that was withdrawn may still count. */
const FRESH = 10_000;
/** Milliseconds between two looks for a key that is not known, whoever makes up its name. */
const LOOK_EVERY = 1000;

interface LoadedKey {
  readonly id: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly publicJwk: JWK;
  /** The private number (RFC 7518, section 6.2.2.1), base64url. */
  readonly secret: string;
  /** Milliseconds since 1970; Infinity for the one that signs. */
  readonly retiresAt: number;
}

/** The keys of this token server, as they were within the last ten seconds. Every process on a store has the same. */
export class KeyRing implements KeySource {
  readonly #store: KeyStore;
  #keys: readonly LoadedKey[] = [];
  #loadedAt = Number.NEGATIVE_INFINITY;
  #loading: Promise<void> | undefined;
  #generation = 0;

  constructor(store: KeyStore) {
    this.#store = store;
  }

  readonly find: JWTVerifyGetKey = async ({ kid }) => {
    await this.#refresh(FRESH);
    const known = this.#counting(kid);
    if (known !== undefined) return known.publicKey;
    await this.#refresh(LOOK_EVERY);
    const found = this.#counting(kid);
    if (found === undefined) throw new errors.JWKSNoMatchingKey();
    return found.publicKey;
  };

  generation(): number | undefined {
    return this.#age() < FRESH && !this.#keys.some(({ retiresAt }) => retiresAt <= Date.now())
      ? this.#generation
      : undefined;
  }

  /** The key to sign with; made when there is none. */
  async signer(): Promise<Pick<LoadedKey, 'id' | 'privateKey'>> {
    await this.#refresh(FRESH);
    if (this.#keys[0]?.retiresAt !== Number.POSITIVE_INFINITY) {
      await this.#store.createFirst(await makeSigningKey(new Date(Date.now())));
      await this.#refresh(0);
    }
    const [signer] = this.#keys;
    if (signer === undefined) throw new Error('there is no key to sign tokens with');
    return signer;
  }

  /** The public keys that tokens are verified with (RFC 7517, section 5). */
  async published(): Promise<readonly JWK[]> {
    await this.signer();
    return this.#keys.filter(({ retiresAt }) => retiresAt > Date.now()).map(({ publicJwk }) => publicJwk);
  }

  /** Returns keys of 32 bytes for another purpose, made of those that count (RFC 5869); the first one is of the key that signs. */
  async derived(purpose: string): Promise<readonly Buffer[]> {
    await this.signer();
    return this.#keys
      .filter(({ retiresAt }) => retiresAt > Date.now())
      .map(({ secret }) =>
        Buffer.from(hkdfSync('sha256', Buffer.from(secret, 'base64url'), '', purpose, 32)),
      );
  }

  /** Milliseconds since the keys were read, if the clock was not set meanwhile. */
  #age(): number {
    return Math.abs(Date.now() - this.#loadedAt);
  }

  #counting(id: string | undefined): LoadedKey | undefined {
    return this.#keys.find((key) => key.id === id && key.retiresAt > Date.now());
  }

  /** Reads the keys unless that was done within the last `age` milliseconds. */
  async #refresh(age: number): Promise<void> {
    if (this.#age() < age) return;
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    await this.#loading;
  }

  async #load(): Promise<void> {
    const now = Date.now();
    const stored = await this.#store.list(new Date(now));
    const known = new Map(this.#keys.map((key) => [key.id, key]));
    const keys = await Promise.all(stored.map(async (key) => loadKey(key, known.get(key.id))));
    const ids = new Set(keys.map(({ id }) => id));
    if (this.#keys.some(({ id }) => !ids.has(id))) this.#generation += 1;
    this.#keys = keys.sort((one, other) => other.retiresAt - one.retiresAt);
    this.#loadedAt = now;
  }
}

/** A new pair of keys for ES256 (RFC 7518, section 3.4). */
export async function makeSigningKey(createdAt: Date): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair(SIGNING_ALGORITHM, { extractable: true });
  return { id: makeId(), privateKey: await exportJWK(privateKey), createdAt };
}

async function loadKey(stored: SigningKey, known: LoadedKey | undefined): Promise<LoadedKey> {
  const retiresAt = stored.retiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
  if (known !== undefined) return { ...known, retiresAt };
  const { d: secret = '', ...publicPart } = stored.privateKey;
  const publicJwk: JWK = { ...publicPart, kid: stored.id, alg: SIGNING_ALGORITHM, use: 'sig' };
  return {
    id: stored.id,
    privateKey: (await importJWK(stored.privateKey, SIGNING_ALGORITHM)) as CryptoKey,
    publicKey: (await importJWK(publicJwk, SIGNING_ALGORITHM)) as CryptoKey,
    publicJwk,
    secret,
    retiresAt,
  };
}

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
