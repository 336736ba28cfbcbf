import { isAdmin, unlimited } from '../../auth/access/rights.ts';
import { sessionOf } from '../login/session-of.ts';
import type { RequestContext } from '../request-context.ts';
import type { ManagementDependencies } from './management-router.ts';

/** Reports whether the client of a long request is still an administrator, by the same credentials. */
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
    // In doubt the stream ends; the next request gets the reason.
    return false;
  }
}
