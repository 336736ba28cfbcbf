import { type Access, nameOf } from '../../auth/access/access.ts';
import { describeScope, repositoryScope, type Scope } from '../../auth/access/scope.ts';
import { bearerToken } from '../../auth/authenticators/header-authenticator.ts';
import { authenticateChallenge, type ChallengeTopic } from '../../auth/challenge.ts';
import type { Actor } from '../../storage/catalog/tag-rule-catalog.ts';
import { RegistryError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';

/** Creates the error for an unauthenticated request, with a challenge. */
export function unauthorized(
  ctx: Pick<RequestContext, 'state'>,
  topic: ChallengeTopic = {},
  message?: string,
  cause?: unknown,
): RegistryError {
  return new RegistryError('UNAUTHORIZED', message, {
    cause,
    headers: { 'WWW-Authenticate': authenticateChallenge(ctx.state.challenge, topic) },
  });
}

/**
 * Requires that the request's identity may do all of `scope`. Throws DENIED, or UNAUTHORIZED with a challenge for
 * `scope`, and `beside`, if the client may have better credentials: it sent none, or a token for less.
 */
export function authorize(
  ctx: RequestContext,
  access: Access,
  scope: Scope,
  beside: readonly Scope[] = [],
): void {
  const { identity } = ctx.state;
  if (access.allows(identity, scope)) return;
  const byToken = bearerToken(ctx.req.headers.authorization ?? '') !== undefined;
  if (identity.kind === 'anonymous' || byToken) {
    throw unauthorized(
      ctx,
      {
        scopes: [askedFor(scope), ...beside],
        ...(byToken && { error: 'insufficient_scope' }),
      },
      identity.kind === 'anonymous'
        ? `log in to ${describeScope(scope)}`
        : `the token does not allow you to ${describeScope(scope)}`,
    );
  }
  throw new RegistryError('DENIED', `${nameOf(identity)} is not allowed to ${describeScope(scope)}`);
}

/** Adds pull to a scope with push, because clients that push also check for existing content. */
function askedFor(scope: Scope): Scope {
  if (scope.type !== 'repository' || !scope.actions.includes('push')) return scope;
  return repositoryScope(scope.name, 'pull', 'push');
}

/** Returns the actor of a request. */
export function actorOf({ state }: RequestContext, access: Access, repository: string): Actor {
  const { identity, origin } = state;
  const name = nameOf(identity);
  return {
    ...(name !== undefined && { name }),
    ...(origin.remote !== undefined && { address: origin.remote }),
    standing: access.standing(identity, repository),
  };
}
