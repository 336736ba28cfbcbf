import type { JWK } from 'jose';

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
