import type { Role } from '../access/role.ts';
import type { RowPage } from '../auth-database.ts';

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

/** People who have roles together. */
export interface Team {
  readonly name: string;
  /** Names of accounts, in order. */
  readonly members: readonly string[];
}

/** Where teams are kept. Each method is one durable step. */
export interface TeamStore {
  find(name: string): Promise<Team | undefined>;
  /** All, or a page of them, by name. */
  list(page?: RowPage): Promise<readonly Team[]>;
  /** Throws EntryExistsError. */
  create(name: string): Promise<void>;
  /** With its roles and robots. Throws EntryUnknownError. */
  remove(name: string): Promise<void>;
  /** Nothing happens when they are a member already. Throws EntryUnknownError for the team or the account. */
  join(team: string, account: string): Promise<void>;
  /** Answers whether they were a member. */
  leave(team: string, account: string): Promise<boolean>;
  /**
   * Of the teams `among`, makes the account a member of exactly those in `teams` that there are, as another system has
   * it. Throws EntryUnknownError for the account.
   */
  setTeamsOf(account: string, among: readonly string[], teams: readonly string[]): Promise<void>;
}

/** Who has a role: a person, all members of a team, or everybody, without logging in. */
export type Holder = { readonly kind: 'user' | 'team'; readonly name: string } | { readonly kind: 'public' };

/** That a holder has a role on the repositories of a pattern. */
export interface RoleGrant {
  readonly holder: Holder;
  readonly pattern: string;
  readonly role: Role;
}

/** Where roles are kept. Each method is one durable step. */
export interface RoleStore {
  /** All, or a page of them, by holder (kind and name) and pattern. */
  list(page?: RowPage): Promise<readonly RoleGrant[]>;
  /** Replaces the role that the holder had on the same pattern. Throws EntryUnknownError for the holder, SettingInvalidError when it has too many. */
  put(grant: RoleGrant): Promise<void>;
  /** Answers whether there was one. */
  remove(holder: Holder, pattern: string): Promise<boolean>;
  /** All that a holder has: their own, their teams' and everybody's. Just everybody's for `public`. */
  heldBy(holder: Holder): Promise<readonly Omit<RoleGrant, 'holder'>[]>;
}
