import type { Identity, Proof } from '../../auth/access/access.ts';
import {
  allowsManagement,
  FLEET_SCOPES,
  isAdmin,
  type ManagementArea,
  type ManageScope,
  unlimited,
} from '../../auth/access/rights.ts';
import { RegistryError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';

/** Continues only for administrators. Throws DENIED. */
export function requireAdmin(ctx: RequestContext): void {
  if (isAdmin(ctx.state.identity.rights)) return;
  throw new RegistryError('DENIED', 'this is for administrators');
}

/** Continues only for administrators and the person themselves. Throws DENIED. */
export function requireSelfOrAdmin(ctx: RequestContext, account: string): void {
  if (isPerson(ctx, account)) return;
  requireAdmin(ctx);
}

/** Reports whether this person made the request, rather than a robot. */
export function isPerson({ state: { identity } }: RequestContext, account: string): boolean {
  return identity.kind === 'user' && identity.name === account;
}

/**
 * Continues only for clients with a password or a session: a stolen
 * token cannot create credentials that outlive it. Returns the name of the person. Throws DENIED.
 */
export function requirePerson({ state: { identity } }: RequestContext): string {
  if (
    identity.kind === 'user' &&
    (identity.proof.kind === 'password' || identity.proof.kind === 'provider')
  ) {
    return identity.name;
  }
  throw new RegistryError('DENIED', 'a token cannot do this: log in with a password, or in a browser');
}

/** Who may call a route. */
export interface Access {
  /** A sentence for the documentation; '' for everybody who is logged in. */
  readonly who: string;
  /** Whether requests without credentials are allowed; `limited` gives them the rights of the public. */
  readonly anonymous?: true | 'limited';
  /** Whether tokens are refused. */
  readonly inPerson?: true;
  /** Runs before parameters and body are read. Throws DENIED. */
  check(ctx: RequestContext): void | Promise<void>;
}

export const EVERYBODY: Access = { who: '', check: () => {} };

export const ANONYMOUS: Access = { who: '', anonymous: true, check: () => {} };

/** For visitors of repositories: hidden repositories look like missing ones. */
export const VISITORS: Access = {
  who: 'For everybody who may pull from the repository, without credentials where it is public.',
  anonymous: 'limited',
  check: () => {},
};

export const ADMINS: Access = { who: 'For administrators.', check: requireAdmin };

export const ADMINS_IN_PERSON: Access = {
  who: 'For administrators.',
  inPerson: true,
  check: (ctx) => {
    requireAdmin(ctx);
    requirePerson(ctx);
  },
};

const ADMINS_AND_PERSON = {
  who: 'For administrators and the person.',
  check: (ctx: RequestContext) => requireSelfOrAdmin(ctx, ctx.params.name ?? ''),
};

/** For administrators and the person named in the path. */
export const SELF_OR_ADMINS: Access = ADMINS_AND_PERSON;

export const SELF_OR_ADMINS_IN_PERSON: Access = {
  ...ADMINS_AND_PERSON,
  inPerson: true,
  check: (ctx) => {
    ADMINS_AND_PERSON.check(ctx);
    requirePerson(ctx);
  },
};

export const IN_PERSON: Access = {
  who: '',
  inPerson: true,
  check: (ctx) => {
    requirePerson(ctx);
  },
};

/** The area of the API that a route belongs to: `any` is open to every token, `manage` to tokens for the whole API. */
export type Area = ManagementArea | 'any' | 'manage';

/** The fields that decide which tokens a route accepts. */
export interface ScopedRoute {
  readonly area: Area;
  readonly method: string;
  /** Whether a GET changes something, such as a WebSocket for a command. */
  readonly changes?: true;
}

/**
 * Limits long-lived tokens to the parts of the API in their scopes, within the rights of their owner: without such a
 * scope they manage nothing, and with a read scope they change nothing. Throws DENIED.
 */
export function requireScope(ctx: RequestContext, route: ScopedRoute): void {
  const identity = scopedTo(ctx.state.identity, route);
  if (identity === undefined) {
    throw new RegistryError(
      'DENIED',
      `this token may not manage the registry: make one with the scope registry:${route.area}, or log in with a password`,
    );
  }
  ctx.state.identity = identity;
}

/** Returns the identity with its rights in an area of the API; undefined when the token's scopes exclude the area. */
export function scopedTo(identity: Identity, { area, changes, method }: ScopedRoute): Identity | undefined {
  if (identity.kind === 'anonymous' || area === 'any') return identity;
  const manages = managedWith(identity.proof);
  if (manages === undefined) return identity;
  const reads = method === 'GET' && changes !== true;
  if (!allowsManagement(manages, area === 'manage' ? undefined : area, reads)) return undefined;
  // Apps are named like repositories: a token whose other scopes name some is limited to these.
  const isLimited = area === 'apps' && (identity.rights.within?.grants ?? []).length > 0;
  return isLimited ? identity : { ...identity, rights: unlimited(identity.rights) };
}

/** Returns the areas of the API that an identity's credentials allow; undefined means all. */
function managedWith(proof: Proof): readonly ManageScope[] | undefined {
  if (proof.kind === 'login') return FLEET_SCOPES;
  return proof.kind === 'credential' ? proof.manages : undefined;
}
