import { isAdmin, unlimited } from '../../auth/access/rights.ts';
import { sessionOf } from '../login/session-of.ts';
import type { RequestContext } from '../request-context.ts';
import type { ManagementDependencies } from './management-router.ts';

/** Whether the administrator who makes a request that goes on still is one, with what they have shown. */
export async function isStillAdministrator(
  ctx: RequestContext,
  { authenticator, sessions }: Pick<ManagementDependencies, 'authenticator' | 'sessions'>,
): Promise<boolean> {
  const { authorization } = ctx.req.headers;
  const { origin, signal } = ctx.state;
  try {
    const identity =
      authorization === undefined
        ? (await sessionOf(ctx, sessions))?.identity
        : await authenticator.authenticate(authorization, { remote: origin.remote, signal });
    if (identity === undefined || identity.kind === 'anonymous') return false;
    return isAdmin(identity.proof.kind === 'credential' ? unlimited(identity.rights) : identity.rights);
  } catch {
    // Whoever is in doubt begins a new stream, and hears why not.
    return false;
  }
}
