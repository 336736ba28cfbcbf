import type { Identity } from '../access/identity.ts';
import type { Directory } from '../accounts/directory.ts';
import { hashSecret, makeSecret, secretKind } from '../credentials/secret.ts';

/** Milliseconds that a session lasts. */
export const SESSION_LIFE = 8 * 60 * 60 * 1000;

/** Browsers in which people have logged in by a provider. */
export class Sessions {
  readonly #store: SessionStore;
  readonly #directory: Directory;
  readonly #now: () => number;

  constructor(store: SessionStore, directory: Directory, now: () => number = Date.now) {
    this.#store = store;
    this.#directory = directory;
    this.#now = now;
  }

  /** Begins one and answers its secret, of which only the hash is kept. */
  async begin(account: string, provider: string): Promise<string> {
    const secret = makeSecret('ses');
    const now = this.#now();
    await this.#store.create({
      secretHash: hashSecret(secret),
      account,
      provider,
      createdAt: new Date(now),
      expiresAt: new Date(now + SESSION_LIFE),
    });
    return secret;
  }

  /** Who has the session; undefined when it has ended, or they have gone. */
  async identify(secret: string): Promise<Identity | undefined> {
    if (secretKind(secret) !== 'ses') return undefined;
    const session = await this.#store.find(hashSecret(secret));
    if (session === undefined || session.expiresAt.getTime() <= this.#now()) return undefined;
    const identity = await this.#directory.user(session.account, { kind: 'provider' });
    return identity && { ...identity, until: session.expiresAt.getTime() };
  }

  async end(secret: string): Promise<void> {
    await this.#store.remove(hashSecret(secret));
  }
}

/** A browser in which somebody has logged in. */
export interface Session {
  /** Of secret.ts. */
  readonly secretHash: string;
  readonly account: string;
  /** The name of the provider that spoke for them. */
  readonly provider: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** Where sessions are kept. Each method is one durable step. */
export interface SessionStore {
  /** Expired ones too. */
  find(secretHash: string): Promise<Session | undefined>;
  /** Forgets those that have expired on the way. */
  create(session: Session): Promise<void>;
  /** Answers whether it was there. */
  remove(secretHash: string): Promise<boolean>;
}
