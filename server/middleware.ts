import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context, Middleware } from 'koa';
import type { Logger } from 'pino';
import { ANONYMOUS } from '../auth/access/access.ts';
import type { Authenticator } from '../auth/authenticators/authenticator.ts';
import { parseBasicCredentials } from '../auth/authenticators/login-method.ts';
import { CredentialsInvalidError, TokenInvalidError } from '../auth/errors.ts';
import { COMMON_HEADERS } from '../lib/http/plain-server.ts';
import { REQUEST_ID_HEADER, requestIdOf } from '../lib/http/request-id.ts';
import { refusalOf } from './audit/refusal-of.ts';
import type { Refusal } from './audit/refusals.ts';
import { BodyMemory } from './body-memory.ts';
import { type ChallengePolicy, challengeFor } from './challenges.ts';
import { type ErrorBody, errorAnswer, RegistryError } from './errors.ts';
import { answerEmpty, answerJson, setHeaders } from './http/answer.ts';
import { type AllowedOrigins, corsHeaders, isPreflight, preflightHeaders } from './http/cors.ts';
import { requestOrigin, type TrustedProxies } from './http/forwarded.ts';
import { discardUnread, expectsContinue } from './http/request-body.ts';
import { shortPath } from './log.ts';
import { unauthorized } from './registry/authorize.ts';
import type { RequestContext, RequestState } from './request-context.ts';
import type { RequestRecorder } from './request-recorder.ts';

/** Maximum bytes of all bodies that are read whole; a manifest has at most 4 MiB. */
const BODY_MEMORY = 64 * 1024 * 1024;

/** Sets the request's state and, once the answer is known, leaves the connection in a valid state. */
export function beginRequest(
  pathPrefix: string,
  proxies: TrustedProxies,
  challenges: ChallengePolicy,
): Middleware<RequestState> {
  const bodies = new BodyMemory(BODY_MEMORY);
  return async (ctx, next) => {
    ctx.state.bodies = bodies;
    ctx.set(COMMON_HEADERS);
    ctx.set(REQUEST_ID_HEADER, requestIdOf(ctx.req));
    ctx.state.identity = ANONYMOUS;
    ctx.state.origin = requestOrigin(ctx.req, proxies);
    ctx.state.challenge = challengeFor(challenges, ctx.state.origin, pathPrefix);
    ctx.state.pathPrefix = pathPrefix;
    ctx.state.signal = clientSignal(ctx.res);
    ctx.state.sentPastNode = 0;
    ctx.state.receivedPastNode = 0;
    await next();
    discardUnread(ctx.req);
    // The client did not get `100 Continue`, so it is unknown whether its body will follow (RFC 9110, 10.1.1).
    if (expectsContinue(ctx.req) && !ctx.req.complete && !ctx.res.headersSent) ctx.set('Connection', 'close');
  };
}

/** Counts and logs every request when it has ended. */
export function recordRequests(recorder: RequestRecorder): Middleware<RequestState> {
  return async (ctx, next) => {
    recorder.follow(ctx.req, ctx.res, requestIdOf(ctx.req), () => ({
      route: String((ctx as RequestContext)._matchedRoute ?? 'none'),
      identity: ctx.state.identity,
      sentPastNode: ctx.state.sentPastNode,
      receivedPastNode: ctx.state.receivedPastNode,
    }));
    await next();
  };
}

/** Lets pages of the allowed origins call this server, errors included. A preflight needs no credentials. */
export function allowOrigins(allowed: AllowedOrigins): Middleware<RequestState> {
  return async (ctx, next) => {
    const { origin } = ctx.req.headers;
    if (isPreflight(ctx.method, ctx.req.headers)) {
      answerEmpty(ctx, 204, preflightHeaders(origin, allowed));
      return;
    }
    setHeaders(ctx, corsHeaders(origin, allowed));
    await next();
  };
}

/** Turns errors of later steps into errors of the distribution API, so that none reaches koa. Records refusals. */
export function answerErrors(
  log: Logger,
  note: (refusal: Refusal) => void = () => {},
): Middleware<RequestState> {
  return async (ctx, next) => {
    try {
      await next();
      refuseUnanswered(ctx);
    } catch (error) {
      // The client has disconnected, which is not an error. (A fully read request is also destroyed, but its client
      // waits for the answer.)
      if (ctx.state.signal.aborted || (ctx.req.destroyed && !ctx.req.complete)) {
        ctx.respond = false;
        return;
      }
      const requestId = requestIdOf(ctx.req);
      const { status, body, headers } = errorAnswer(error, requestId);
      // Anybody can cause these refusals, as often as they like.
      const isFull = error instanceof RegistryError && error.kind === 'TOO_MANY_CONNECTIONS';
      if (status >= 500 && !isFull)
        log.error(
          { err: error, method: ctx.method, path: shortPath(ctx.path), requestId },
          'a request failed',
        );
      if (status === 401 || status === 403) {
        const refusal = refusalOf(ctx, status, messageOf(body));
        if (refusal !== undefined) note(refusal);
      }
      if (ctx.res.headersSent) {
        ctx.respond = false;
        ctx.res.destroy();
        return;
      }
      for (const name of ['Content-Length', 'Content-Range', 'ETag']) ctx.remove(name);
      answerJson(ctx, status, body, headers);
    }
  };
}

function messageOf({ errors: [error] }: ErrorBody): string {
  return error.message;
}

/** Throws for requests that no route answered: koa would send plain text, or the router an empty 405 with its Allow header. */
function refuseUnanswered(ctx: Context): void {
  if (ctx.respond === false || ctx.body !== undefined) return;
  if (ctx.status === 404) throw new RegistryError('ROUTE_UNKNOWN');
  if (ctx.status === 405 || ctx.status === 501) throw new RegistryError('METHOD_UNSUPPORTED');
}

/** Refuses requests that begin after the server has begun to drain. */
export function refuseWhileDraining(isDraining: () => boolean): Middleware<RequestState> {
  return async (_ctx, next) => {
    if (isDraining()) throw new RegistryError('SHUTTING_DOWN');
    await next();
  };
}

/** Refuses requests while the catalog is unavailable: each query would wait for its timeout again. */
export function refuseUnavailable(causeOf: (req: IncomingMessage) => unknown): Middleware<RequestState> {
  return async (ctx, next) => {
    const cause = causeOf(ctx.req);
    if (cause !== undefined) throw cause;
    await next();
  };
}

/** Identifies the client. Without an authenticator the registry is open, and credentials are ignored. */
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

/** The client closed the connection before it had the answer. */
class ClientGoneError extends Error {
  constructor() {
    super('the client closed the connection');
    this.name = 'ClientGoneError';
  }
}

/** Returns a signal that aborts, with ClientGoneError, when the connection closes before the answer is complete. */
function clientSignal(res: ServerResponse): AbortSignal {
  const controller = new AbortController();
  const onClose = () => {
    if (!res.writableFinished) controller.abort(new ClientGoneError());
  };
  if (res.closed) onClose();
  else res.once('close', onClose);
  return controller.signal;
}
