import type { Identity } from '../access/access.ts';
import type { Directory } from '../accounts/directory.ts';
import { hashSecret, makeSecret, secretKind } from '../credentials/secret.ts';

/** Milliseconds that a session lasts. */
export const SESSION_LIFE = 8 * 60 * 60 * 1000;

/** Characters of what a browser calls itself that are kept. */
const LONGEST_CLIENT = 250;
/** Of the hash of a secret, which says nothing about the secret: by this much a person tells their sessions apart. */
const ID_LENGTH = 16;

/** What is known of a browser that logs in. */
export interface SessionClient {
  /** What it calls itself. */
  readonly client?: string;
  readonly address?: string;
}

/** Browsers in which people have logged in, with a password or by a provider. */
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
  async begin(account: string, provider: string, from: SessionClient = {}): Promise<string> {
    const secret = makeSecret('ses');
    const now = this.#now();
    await this.#store.create({
      secretHash: hashSecret(secret),
      account,
      provider,
      client: (from.client ?? '').slice(0, LONGEST_CLIENT),
      address: from.address ?? '',
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
    const kind = session.provider === '' ? 'password' : 'provider';
    const identity = await this.#directory.user(session.account, { kind });
    return identity && { ...identity, until: session.expiresAt.getTime() };
  }

  async end(secret: string): Promise<void> {
    await this.#store.remove(hashSecret(secret));
  }

  /** The sessions of a person that have not ended, the newest first; `current` is the secret of the one that asks. */
  async list(account: string, current: string): Promise<readonly ListedSession[]> {
    const own = hashSecret(current);
    const sessions = await this.#store.list(account, new Date(this.#now()));
    return sessions.map(({ secretHash, ...session }) => ({
      ...session,
      id: secretHash.slice(0, ID_LENGTH),
      isCurrent: secretHash === own,
    }));
  }

  /** Ends a session of a person by its id. Answers whether it was there. */
  async endById(account: string, id: string): Promise<boolean> {
    const sessions = await this.#store.list(account, new Date(this.#now()));
    const found = sessions.find(({ secretHash }) => secretHash.slice(0, ID_LENGTH) === id);
    return found !== undefined && this.#store.remove(found.secretHash);
  }
}

/** A session as its owner sees it. */
export type ListedSession = Omit<Session, 'secretHash'> & {
  readonly id: string;
  readonly isCurrent: boolean;
};

/** A browser in which somebody has logged in. */
export interface Session {
  /** Of secret.ts. */
  readonly secretHash: string;
  readonly account: string;
  /** The name of the provider that spoke for them; '' after a password. */
  readonly provider: string;
  /** What the browser calls itself; '' when it does not say. */
  readonly client: string;
  /** Where it was at the login; '' when that is not known. */
  readonly address: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** Where sessions are kept. Each method is one durable step. */
export interface SessionStore {
  /** Expired ones too. */
  find(secretHash: string): Promise<Session | undefined>;
  /** Forgets those that have expired on the way. */
  create(session: Session): Promise<void>;
  /** Those of an account that end after a time, the newest first: at most 100. */
  list(account: string, at: Date): Promise<readonly Session[]>;
  /** Answers whether it was there. */
  remove(secretHash: string): Promise<boolean>;
}
