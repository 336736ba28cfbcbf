import type { Role } from '../access/role.ts';
import type { RowPage } from '../auth-database.ts';

/** A person who can log in. */
export interface Account {
  readonly name: string;
  /** PHC string of password-hash.ts; undefined for an account without a password. */
  readonly passwordHash: string | undefined;
  readonly admin: boolean;
  readonly createdAt: Date;
}

/** Stores accounts. Each method is one durable step. */
export interface AccountStore {
  find(name: string): Promise<Account | undefined>;
  /** Lists all, or a page of them, by name. */
  list(page?: RowPage): Promise<readonly Account[]>;
  /** Throws AccountExistsError, and changes nothing, when the name is taken. */
  create(account: Account): Promise<void>;
  /** Ends the account's logins when the password changes. Throws EntryUnknownError. */
  update(name: string, change: Partial<Pick<Account, 'admin' | 'passwordHash'>>): Promise<void>;
  /**
   * Removes an account with its memberships, roles, tokens, robots, logins, sessions and links to providers. Throws
   * EntryUnknownError.
   */
  remove(name: string): Promise<void>;
}

/** A set of accounts that share roles. */
export interface Team {
  readonly name: string;
  /** Names of accounts, sorted. */
  readonly members: readonly string[];
}

/** Stores teams. Each method is one durable step. */
export interface TeamStore {
  find(name: string): Promise<Team | undefined>;
  /** Lists all, or a page of them, by name. */
  list(page?: RowPage): Promise<readonly Team[]>;
  /** Throws EntryExistsError. */
  create(name: string): Promise<void>;
  /** Removes a team with its roles and robots. Throws EntryUnknownError. */
  remove(name: string): Promise<void>;
  /**
   * Adds a member; does nothing when the account is a member already. Throws EntryUnknownError for the team or the
   * account.
   */
  join(team: string, account: string): Promise<void>;
  /** Removes a member. Returns whether the account was a member. */
  leave(team: string, account: string): Promise<boolean>;
  /**
   * Of the teams `among`, makes the account a member of exactly the existing ones in `teams`, as another system states.
   * Throws EntryUnknownError for the account.
   */
  setTeamsOf(account: string, among: readonly string[], teams: readonly string[]): Promise<void>;
}

/** The holder of a role: a person, all members of a team, or everybody, without a login. */
export type Holder = { readonly kind: 'user' | 'team'; readonly name: string } | { readonly kind: 'public' };

/** A role of a holder on the repositories of a pattern. */
export interface RoleGrant {
  readonly holder: Holder;
  readonly pattern: string;
  readonly role: Role;
}

/** Stores roles. Each method is one durable step. */
export interface RoleStore {
  /** Lists all, or a page of them, by holder (kind and name) and pattern. */
  list(page?: RowPage): Promise<readonly RoleGrant[]>;
  /**
   * Replaces the holder's role on the same pattern. Throws EntryUnknownError for the holder, SettingInvalidError when
   * it has too many.
   */
  put(grant: RoleGrant): Promise<void>;
  /** Returns whether there was one. */
  remove(holder: Holder, pattern: string): Promise<boolean>;
  /** Lists all roles of a holder: its own, its teams' and everybody's; for `public` only everybody's. */
  heldBy(holder: Holder): Promise<readonly Omit<RoleGrant, 'holder'>[]>;
}
