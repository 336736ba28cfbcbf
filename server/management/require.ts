import { isAdmin } from '../../auth/access/rights.ts';
import { RegistryError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';

/** Goes on only for administrators. Throws DENIED. */
export function requireAdmin(ctx: RequestContext): void {
  if (isAdmin(ctx.state.identity.rights)) return;
  throw new RegistryError('DENIED', 'this is for administrators');
}

/** Goes on only for administrators and the person themselves. Throws DENIED. */
export function requireSelfOrAdmin(ctx: RequestContext, account: string): void {
  if (isPerson(ctx, account)) return;
  requireAdmin(ctx);
}

/** Whether the request was made by this person and not by a robot. */
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
