import type { IncomingMessage } from 'node:http';
import type { Middleware } from 'koa';
import type { RequestState } from '../request-context.ts';

/** Refuses requests of which it is known that the catalog cannot be asked: each question would wait for it anew. */
export function refuseUnavailable(causeOf: (req: IncomingMessage) => unknown): Middleware<RequestState> {
  return async (ctx, next) => {
    const cause = causeOf(ctx.req);
    if (cause !== undefined) throw cause;
    await next();
  };
}
