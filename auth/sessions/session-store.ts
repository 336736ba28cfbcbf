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
