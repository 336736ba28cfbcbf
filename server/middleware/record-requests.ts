import type { Middleware } from 'koa';
import type { RequestContext, RequestState } from '../request-context.ts';
import type { RequestRecorder } from '../request-recorder.ts';

/** Has every request counted and logged when it has ended. */
export function recordRequests(recorder: RequestRecorder): Middleware<RequestState> {
  return async (ctx, next) => {
    recorder.follow(ctx.req, ctx.res, () => ({
      route: String((ctx as RequestContext)._matchedRoute ?? 'none'),
      identity: ctx.state.identity,
      sentPastNode: ctx.state.sentPastNode,
      receivedPastNode: ctx.state.receivedPastNode,
    }));
    await next();
  };
}
