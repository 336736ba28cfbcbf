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

/** A key pair that signs tokens. */
export interface SigningKey {
  readonly id: string;
  /** The private JWK (RFC 7517), ES256. */
  readonly privateKey: JWK;
  readonly createdAt: Date;
  /** Time when tokens that it signed become invalid; undefined for the current key. */
  readonly retiresAt?: Date;
}

/** Stores signing keys, shared by every process on the same database. Each method is one durable step. */
export interface KeyStore {
  /** Lists keys that have not retired at `now`, newest first. */
  list(now: Date): Promise<readonly SigningKey[]>;
  /** Stores `key` unless there is a current key; returns whether it was stored. */
  createFirst(key: SigningKey): Promise<boolean>;
  /** Makes `key` the current key; the older ones retire at `retiresAt`. */
  rotate(key: SigningKey, retiresAt: Date): Promise<void>;
}

export const SIGNING_ALGORITHM = 'ES256';

/** Milliseconds for which keys are cached: a withdrawn key may be accepted for so long. */
const FRESH = 10_000;
/** Minimum milliseconds between two reads for an unknown key, whose name a client may have invented. */
const LOOK_EVERY = 1000;

interface LoadedKey {
  readonly id: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly publicJwk: JWK;
  /** The private key (RFC 7518, section 6.2.2.1), base64url. */
  readonly secret: string;
  /** Milliseconds since 1970; Infinity for the current key. */
  readonly retiresAt: number;
}

/** The keys of this token server, at most ten seconds old. Every process on a store has the same keys. */
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

  /** Returns the current key; creates it when there is none. */
  async signer(): Promise<Pick<LoadedKey, 'id' | 'privateKey'>> {
    await this.#refresh(FRESH);
    if (this.#keys[0]?.retiresAt !== Number.POSITIVE_INFINITY) {
      await this.#store.createFirst(await makeSigningKey(new Date(Date.now())));
      await this.#refresh(0);
    }
    const [signer] = this.#keys;
    if (signer === undefined) throw new Error('there is no key that signs tokens');
    return signer;
  }

  /** Returns the public keys for verifying tokens (RFC 7517, section 5). */
  async published(): Promise<readonly JWK[]> {
    await this.signer();
    return this.#keys.filter(({ retiresAt }) => retiresAt > Date.now()).map(({ publicJwk }) => publicJwk);
  }

  /**
   * Derives 32-byte keys for another purpose from the valid keys (RFC 5869); the first is derived from the current key.
   */
  async derived(purpose: string): Promise<readonly Buffer[]> {
    await this.signer();
    return this.#keys
      .filter(({ retiresAt }) => retiresAt > Date.now())
      .map(({ secret }) =>
        Buffer.from(hkdfSync('sha256', Buffer.from(secret, 'base64url'), '', purpose, 32)),
      );
  }

  /** Milliseconds since the keys were read; meaningless if the clock was set meanwhile. */
  #age(): number {
    return Math.abs(Date.now() - this.#loadedAt);
  }

  #counting(id: string | undefined): LoadedKey | undefined {
    return this.#keys.find((key) => key.id === id && key.retiresAt > Date.now());
  }

  /** Reads the keys unless they are at most `age` milliseconds old. */
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

/** Makes a key pair for ES256 (RFC 7518, section 3.4). */
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

/** Milliseconds: more than the longest token lifetime plus the time until other processes read the new key. */
export const KEY_OVERLAP = 2 * 60 * 60 * 1000;

/**
 * Replaces the current key by a new one. Tokens of older keys stay valid for `overlap` milliseconds: with 0 all tokens
 * become invalid within seconds, and clients request new ones.
 */
export async function rotateKeys(keys: KeyStore, overlap: number = KEY_OVERLAP): Promise<SigningKey> {
  const now = new Date();
  const key = await makeSigningKey(now);
  await keys.rotate(key, new Date(now.getTime() + overlap));
  return key;
}
