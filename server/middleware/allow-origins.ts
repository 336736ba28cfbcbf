import type { Middleware } from 'koa';
import { answerEmpty, setHeaders } from '../http/answer.ts';
import { type AllowedOrigins, corsHeaders, isPreflight, preflightHeaders } from '../http/cors.ts';
import type { RequestState } from '../request-context.ts';

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
