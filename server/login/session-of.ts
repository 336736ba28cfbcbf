import type { Identity } from '../../auth/access/access.ts';
import type { Authenticator } from '../../auth/authenticators/authenticator.ts';
import type { Sessions } from '../../auth/sessions/sessions.ts';
import { RegistryError } from '../errors.ts';
import type { BrowserSession, RequestContext } from '../request-context.ts';
import { readCookie } from './cookies.ts';

/** Returns the owner of the browser's session; undefined without a valid one. */
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

/**
 * Returns the current identity of a client with a long answer, by the same credentials; undefined when its session has
 * ended. Throws CredentialsInvalidError and TokenInvalidError for credentials that are no longer valid.
 */
export async function identifyAgain(
  ctx: RequestContext,
  { authenticator, sessions }: { readonly authenticator: Authenticator; readonly sessions?: Sessions },
): Promise<Identity | undefined> {
  const { authorization } = ctx.req.headers;
  const { origin, session, signal } = ctx.state;
  if (session !== undefined && sessions !== undefined) return sessions.identify(session.secret);
  return authenticator.authenticate(authorization, { remote: origin.remote, signal });
}
