import type { Identity } from '../access/access.ts';
import type { Directory } from '../accounts/directory.ts';
import { hashSecret, makeSecret, secretKind } from '../credentials/secret.ts';

/** Lifetime of a session, milliseconds. */
export const SESSION_LIFE = 8 * 60 * 60 * 1000;

/** Maximum stored characters of a browser's User-Agent. */
const LONGEST_CLIENT = 250;
/** Length of a session's id, a prefix of its secret's hash, which reveals nothing about the secret. */
const ID_LENGTH = 16;

/** Facts about a browser that logs in. */
export interface SessionClient {
  /** Its User-Agent. */
  readonly client?: string;
  readonly address?: string;
}

/** Browser sessions, begun with a password or by a provider. */
export class Sessions {
  readonly #store: SessionStore;
  readonly #directory: Directory;
  readonly #now: () => number;

  constructor(store: SessionStore, directory: Directory, now: () => number = Date.now) {
    this.#store = store;
    this.#directory = directory;
    this.#now = now;
  }

  /** Begins a session and returns its secret, of which only the hash is stored. */
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

  /** Returns the owner of the session; undefined when the session has ended, or the account was removed. */
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

  /** Lists the active sessions of a person, newest first; `current` is the secret of the session that asks. */
  async list(account: string, current: string): Promise<readonly ListedSession[]> {
    const own = hashSecret(current);
    const sessions = await this.#store.list(account, new Date(this.#now()));
    return sessions.map(({ secretHash, ...session }) => ({
      ...session,
      id: secretHash.slice(0, ID_LENGTH),
      isCurrent: secretHash === own,
    }));
  }

  /** Ends a session of a person by its id. Returns whether it existed. */
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

/** A browser in which a person has logged in. */
export interface Session {
  /** From secret.ts. */
  readonly secretHash: string;
  readonly account: string;
  /** The provider of the login; '' after a password. */
  readonly provider: string;
  /** The browser's User-Agent; '' without one. */
  readonly client: string;
  /** The client's address at the login; '' if unknown. */
  readonly address: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** Stores sessions. Each method is one durable step. */
export interface SessionStore {
  /** Also returns expired ones. */
  find(secretHash: string): Promise<Session | undefined>;
  /** Also removes expired sessions. */
  create(session: Session): Promise<void>;
  /** Lists the sessions of an account that end after a time, newest first: at most 100. */
  list(account: string, at: Date): Promise<readonly Session[]>;
  /** Returns whether it existed. */
  remove(secretHash: string): Promise<boolean>;
}
