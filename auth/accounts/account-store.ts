import type { RowPage } from '../page-of-rows.ts';

/** A person who can log in. */
export interface Account {
  readonly name: string;
  /** PHC string of password-hash.ts; undefined for somebody who has no password here. */
  readonly passwordHash: string | undefined;
  readonly admin: boolean;
  readonly createdAt: Date;
}

/** Where accounts are kept. Each method is one durable step. */
export interface AccountStore {
  find(name: string): Promise<Account | undefined>;
  /** All, or a page of them, by name. */
  list(page?: RowPage): Promise<readonly Account[]>;
  /** Throws AccountExistsError, and changes nothing, when the name is taken. */
  create(account: Account): Promise<void>;
  /** Ends the account's logins when the password changes. Throws EntryUnknownError. */
  update(name: string, change: Partial<Pick<Account, 'admin' | 'passwordHash'>>): Promise<void>;
  /** With its memberships, roles, tokens, robots, logins, sessions and links to providers. Throws EntryUnknownError. */
  remove(name: string): Promise<void>;
}
