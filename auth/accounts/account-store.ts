/** Somebody who can log in. */
export interface Account {
  readonly name: string;
  /** PHC string of password-hash.ts. */
  readonly passwordHash: string;
  readonly admin: boolean;
  readonly createdAt: Date;
}

/** Where accounts are kept. Each method is one durable step. */
export interface AccountStore {
  find(name: string): Promise<Account | undefined>;
  /** Throws AccountExistsError, and changes nothing, when the name is taken. */
  create(account: Account): Promise<void>;
}
