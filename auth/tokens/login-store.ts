/** The owner of a login. */
export interface LoginSubject {
  readonly kind: 'user' | 'robot';
  readonly name: string;
  /** The id of the credential that began the login; undefined after a password. */
  readonly credential?: string;
}

/** One identity (refresh) token. Tokens that replace each other by rotation form a family. */
export interface Login {
  /** From secret.ts. */
  readonly secretHash: string;
  /** Identifies the family for people; not secret. */
  readonly family: string;
  readonly subject: LoginSubject;
  /** The only service for which it can request tokens. */
  readonly service: string;
  /** The client's name for itself. */
  readonly client: string;
  readonly createdAt: Date;
  /** Extended while it is in use. */
  readonly expiresAt: Date;
  /** Whether another one has replaced it. */
  readonly replaced: boolean;
}

/** Stores logins. Each method is one durable step, except `extend`, which a power cut may undo. */
export interface LoginStore {
  find(secretHash: string): Promise<Login | undefined>;
  /** Lists the logins of one person or robot that were not replaced, newest first. */
  list(kind: LoginSubject['kind'], name: string): Promise<readonly Login[]>;
  /** Stores a login. Expired families of the same subject, and its oldest ones beyond `most`, end. */
  create(login: Login, most: number): Promise<void>;
  /** Replaces `secretHash` by `next`; returns false, without a change, when it was replaced before or has ended. */
  replace(secretHash: string, next: Login): Promise<boolean>;
  extend(secretHash: string, expiresAt: Date): Promise<void>;
  /** Returns whether there was one. */
  endFamily(family: string): Promise<boolean>;
}
