import type { Middleware } from 'koa';
import type { Authenticator } from '../../auth/authenticators/authenticator.ts';
import { parseBasicCredentials } from '../../auth/authenticators/login-method.ts';
import { CredentialsInvalidError, TokenInvalidError } from '../../auth/errors.ts';
import { unauthorized } from '../registry/authorize.ts';
import type { RequestState } from '../request-context.ts';

/** Finds out who asks. Without an authenticator the registry is open, and credentials are not looked at. */
export function authenticate(authenticator: Authenticator | undefined): Middleware<RequestState> {
  return async (ctx, next) => {
    if (authenticator !== undefined) {
      const { origin, signal } = ctx.state;
      try {
        ctx.state.identity = await authenticator.authenticate(ctx.req.headers.authorization, {
          remote: origin.remote,
          signal,
        });
      } catch (error) {
        if (error instanceof TokenInvalidError) {
          throw unauthorized(ctx, { error: 'invalid_token' }, error.message, error);
        }
        if (!(error instanceof CredentialsInvalidError)) throw error;
        ctx.state.triedName = parseBasicCredentials(ctx.req.headers.authorization ?? '')?.user;
        throw unauthorized(ctx, {}, error.message, error);
      }
    }
    await next();
  };
}
