import type { Role } from '../access/role.ts';
import type { RowPage } from '../page-of-rows.ts';

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
