/** Whom a login stands for. */
export interface LoginSubject {
  readonly kind: 'user' | 'robot';
  readonly name: string;
  /** The id of the credential that the login was made with; undefined after a password. */
  readonly credential?: string;
}

/** One identity (refresh) token. Those that came out of each other by rotation are a family. */
export interface Login {
  /** Of secret.ts. */
  readonly secretHash: string;
  /** For people, to name the family by; no secret. */
  readonly family: string;
  readonly subject: LoginSubject;
  /** The service that it was made for, which alone may be asked tokens for. */
  readonly service: string;
  /** What the program said it is. */
  readonly client: string;
  readonly createdAt: Date;
  /** Moves on while it is in use. */
  readonly expiresAt: Date;
  /** True once another one has taken its place. */
  readonly replaced: boolean;
}

/** Where logins are kept. Each method is one durable step, except `extend`, which a power cut may undo. */
export interface LoginStore {
  find(secretHash: string): Promise<Login | undefined>;
  /** Those that have not been replaced, the newest first, of one person or robot. */
  list(kind: LoginSubject['kind'], name: string): Promise<readonly Login[]>;
  /** Keeps a login; the oldest families of the same subject beyond `most` end, as do those that have expired. */
  create(login: Login, most: number): Promise<void>;
  /** Puts `next` in the place of `secretHash`; false, and nothing changed, when that was replaced or ended before. */
  replace(secretHash: string, next: Login): Promise<boolean>;
  extend(secretHash: string, expiresAt: Date): Promise<void>;
  /** Answers whether there was one. */
  endFamily(family: string): Promise<boolean>;
}
