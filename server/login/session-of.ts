import type { Sessions } from '../../auth/sessions/sessions.ts';
import { RegistryError } from '../errors.ts';
import type { BrowserSession, RequestContext } from '../request-context.ts';
import { readCookie } from './cookies.ts';

/** Who has logged in with this browser; undefined when nobody has, or no longer. */
export async function sessionOf(
  ctx: RequestContext,
  sessions: Sessions,
): Promise<BrowserSession | undefined> {
  const secret = readCookie(ctx, 'berth-session');
  const identity = secret === undefined ? undefined : await sessions.identify(secret);
  if (secret === undefined || identity?.kind !== 'user') return undefined;
  ctx.state.identity = identity;
  ctx.state.session = { secret, name: identity.name, identity };
  return ctx.state.session;
}

/** Throws UNAUTHORIZED, without a challenge: a browser would ask for a password. */
export async function requireSession(ctx: RequestContext, sessions: Sessions): Promise<BrowserSession> {
  const session = await sessionOf(ctx, sessions);
  if (session === undefined) throw new RegistryError('UNAUTHORIZED', 'your session has ended: log in again');
  return session;
}
