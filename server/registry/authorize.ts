import type { Access } from '../../auth/access/access.ts';
import type { Scope } from '../../auth/access/scope.ts';
import { authenticateChallenge } from '../../auth/challenge.ts';
import { RegistryError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';

/** The refusal of a request that has to say who makes it, with the challenge that asks for that. */
export function unauthorized(message?: string, cause?: unknown): RegistryError {
  return new RegistryError('UNAUTHORIZED', message, {
    cause,
    headers: { 'WWW-Authenticate': authenticateChallenge() },
  });
}

/** Goes on only when the request's identity may do all of `scope`. Throws UNAUTHORIZED or DENIED. */
export function authorize(ctx: RequestContext, access: Access, scope: Scope): void {
  const { identity } = ctx.state;
  if (access.allows(identity, scope)) return;
  if (identity.kind === 'anonymous') throw unauthorized();
  throw new RegistryError('DENIED', `${identity.name} may not do this: ${scope.actions.join(', ')}`);
}
