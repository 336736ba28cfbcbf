import type { Identity } from './identity.ts';
import type { Scope } from './scope.ts';

/** Decides who may do what. Pure: an answer depends on nothing but its arguments. */
export interface Access {
  /** True when `identity` may do every action of `scope`. */
  allows(identity: Identity, scope: Scope): boolean;
  /** True when nobody has to say who they are. */
  readonly open: boolean;
}

/** Everybody may do everything (`--auth none`). */
export const OPEN_ACCESS: Access = Object.freeze({ open: true, allows: () => true });

/** Administrators may do everything, others nothing. */
export const ADMIN_ACCESS: Access = Object.freeze({
  open: false,
  allows: (identity: Identity) => identity.kind === 'user' && identity.admin,
});
