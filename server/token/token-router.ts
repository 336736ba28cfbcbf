import type { Router } from '@koa/router';
import { ANONYMOUS, type Identity } from '../../auth/access/access.ts';
import { formatScope } from '../../auth/access/scope.ts';
import type { Authenticator } from '../../auth/authenticators/authenticator.ts';
import { bearerToken } from '../../auth/authenticators/header-authenticator.ts';
import { type LoginMethod, parseBasicCredentials } from '../../auth/authenticators/login-method.ts';
import { BASIC_CHALLENGE } from '../../auth/challenge.ts';
import { CredentialsInvalidError, SettingInvalidError } from '../../auth/errors.ts';
import type { TokenLimit } from '../../auth/limits/token-limit.ts';
import type { KeyRing } from '../../auth/tokens/key-ring.ts';
import type { TokenAnswer, TokenRequest, TokenServer } from '../../auth/tokens/token-server.ts';
import { KoaRouter } from '../../lib/http/koa-router.ts';
import { TOKEN_PATH } from '../challenges.ts';
import { TokenRefusal } from '../errors.ts';
import { answerJson } from '../http/answer.ts';
import { queriesOf, queryOf } from '../registry/parameters.ts';
import type { RequestContext, RequestState } from '../request-context.ts';

export interface TokenDependencies {
  readonly authenticator: Authenticator;
  readonly keys: KeyRing;
  /** Absent for no limit. */
  readonly limit?: Pick<TokenLimit, 'countRequest'>;
  readonly methods: LoginMethod;
  readonly server: TokenServer;
}

const LARGEST_FORM = 16 * 1024;
const FORM = 'application/x-www-form-urlencoded';
/** RFC 6749, section 5.1. */
const NOT_STORED = { 'Cache-Control': 'no-store' };

/**
 * The token server: `GET /token` (Docker token protocol, "Requesting a Token"), `POST /token` (the same, "OAuth2"),
 * and the keys that tokens are verified with (RFC 7517, section 5).
 */
export function createTokenRouter(dependencies: TokenDependencies, pathPrefix: string): Router<RequestState> {
  const { keys, limit, server } = dependencies;
  const router = new KoaRouter<RequestState>({
    sensitive: true,
    ...(pathPrefix !== '' && { prefix: pathPrefix }),
  });

  // Clients with a login are counted only by account, so others at their address do not block them.
  router.use(TOKEN_PATH, async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      if (error instanceof TokenRefusal) limit?.countRequest(ctx.state.origin.remote);
      throw error;
    }
  });

  router.get(TOKEN_PATH, async (ctx) => {
    const request: TokenRequest = {
      service: queryOf(ctx, 'service'),
      scopes: queriesOf(ctx, 'scope'),
      offline: queryOf(ctx, 'offline_token') === 'true',
      client: queryOf(ctx, 'client_id') ?? '',
    };
    const answer = await refusing(ctx, async () =>
      server.grant(await identityOf(ctx, dependencies), request),
    );
    answerToken(ctx, answer);
  });

  router.post(TOKEN_PATH, async (ctx) => {
    const answer = await refusing(ctx, async () => grantByForm(ctx, dependencies, await formOf(ctx)));
    answerToken(ctx, answer);
  });

  router.get('/.well-known/jwks.json', async (ctx) => {
    answerJson(ctx, 200, { keys: await keys.published() }, { 'Content-Type': 'application/jwk-set+json' });
  });
  return router;
}

/** Returns the identity of a GET: anonymous, or that of the Basic credentials. A token cannot obtain another token. */
async function identityOf(
  ctx: RequestContext,
  { authenticator, limit }: TokenDependencies,
): Promise<Identity> {
  const { authorization } = ctx.req.headers;
  if (bearerToken(authorization ?? '') !== undefined) {
    throw new CredentialsInvalidError(
      'a token cannot obtain another token: send a user and a password (HTTP Basic)',
    );
  }
  ctx.state.triedName = parseBasicCredentials(authorization ?? '')?.user;
  const identity = await authenticator.authenticate(authorization, attemptOf(ctx));
  if (identity.kind === 'anonymous') limit?.countRequest(ctx.state.origin.remote);
  ctx.state.identity = identity;
  return identity;
}

async function grantByForm(
  ctx: RequestContext,
  { methods, server }: TokenDependencies,
  form: URLSearchParams,
): Promise<TokenAnswer> {
  const request: TokenRequest = {
    service: form.get('service') ?? undefined,
    scopes: form.getAll('scope'),
    offline: form.get('access_type') === 'offline',
    client: form.get('client_id') ?? '',
  };
  switch (form.get('grant_type')) {
    case 'refresh_token':
      return server.refresh(form.get('refresh_token') ?? '', request);
    case 'password': {
      const credentials = { user: form.get('username') ?? '', password: form.get('password') ?? '' };
      ctx.state.triedName = credentials.user;
      const identity = (await methods.logIn(credentials, attemptOf(ctx))) ?? ANONYMOUS;
      ctx.state.identity = identity;
      return server.grant(identity, request);
    }
    default:
      throw new TokenRefusal('unsupported_grant_type', 'grant_type must be password or refresh_token');
  }
}

async function formOf(ctx: RequestContext): Promise<URLSearchParams> {
  if (ctx.get('Content-Type').split(';')[0]?.trim().toLowerCase() !== FORM) {
    throw new TokenRefusal('invalid_request', `the Content-Type must be ${FORM}`);
  }
  const bytes = await ctx.state.bodies.read(ctx.req, ctx.res, LARGEST_FORM);
  if (bytes === undefined) {
    throw new TokenRefusal('invalid_request', `the form has more than ${LARGEST_FORM} bytes`);
  }
  return new URLSearchParams(bytes.toString('utf8'));
}

function attemptOf(ctx: RequestContext) {
  return { remote: ctx.state.origin.remote, signal: ctx.state.signal };
}

async function refusing<Result>(ctx: RequestContext, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CredentialsInvalidError) {
      const headers = ctx.method === 'GET' ? { 'WWW-Authenticate': BASIC_CHALLENGE } : {};
      throw new TokenRefusal('invalid_grant', error.message, { cause: error, headers });
    }
    if (!(error instanceof SettingInvalidError)) throw error;
    throw new TokenRefusal('invalid_request', error.message, { cause: error });
  }
}

/**
 * Answers with both names of the token: older programs read `token`, OAuth2's read `access_token`. Without `issued_at`:
 * clients then count `expires_in` from the arrival of the answer, by their own clock, which may differ.
 */
function answerToken(ctx: RequestContext, answer: TokenAnswer): void {
  answerJson(
    ctx,
    200,
    {
      token: answer.token,
      access_token: answer.token,
      token_type: 'Bearer',
      expires_in: answer.expiresIn,
      scope: answer.granted.map(formatScope).join(' '),
      ...(answer.refreshToken !== undefined && { refresh_token: answer.refreshToken }),
    },
    NOT_STORED,
  );
}
