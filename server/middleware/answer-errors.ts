import type { Context, Middleware } from 'koa';
import type { Logger } from 'pino';
import { refusalOf } from '../audit/refusal-of.ts';
import type { Refusal } from '../audit/refusals.ts';
import { type ErrorBody, errorAnswer, RegistryError } from '../errors.ts';
import { answerJson } from '../http/answer.ts';
import type { RequestState } from '../request-context.ts';
import { shortPath } from '../shorten.ts';

/** Turns whatever goes wrong below into the errors of the distribution API; nothing gets past it to koa. Notes refusals. */
export function answerErrors(
  log: Logger,
  note: (refusal: Refusal) => void = () => {},
): Middleware<RequestState> {
  return async (ctx, next) => {
    try {
      await next();
      refuseUnanswered(ctx);
    } catch (error) {
      // Nobody is there to hear about it, and the registry is not at fault. (A request that was read to its
      // end is destroyed too, and its client waits for the answer.)
      if (ctx.state.signal.aborted || (ctx.req.destroyed && !ctx.req.complete)) {
        ctx.respond = false;
        return;
      }
      const { status, body, headers } = errorAnswer(error);
      if (status >= 500)
        log.error({ err: error, method: ctx.method, path: shortPath(ctx.path) }, 'a request failed');
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

/** What no route has answered: koa would send a plain text, or the router an empty 405 with its Allow header. */
function refuseUnanswered(ctx: Context): void {
  if (ctx.respond === false || ctx.body !== undefined) return;
  if (ctx.status === 404) throw new RegistryError('ROUTE_UNKNOWN');
  if (ctx.status === 405 || ctx.status === 501) throw new RegistryError('METHOD_UNSUPPORTED');
}
