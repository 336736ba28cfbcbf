import type { IncomingMessage } from 'node:http';
import type { Middleware } from 'koa';
import { answerJson } from '../http/answer.ts';
import type { RequestState } from '../request-context.ts';

export interface Health {
  /** False while the server must get no new requests: when it ends, and when it cannot work. */
  readonly isReady: () => Promise<boolean>;
}

const PATHS: readonly string[] = ['/healthz', '/readyz'];

export function isAboutHealth({ url = '' }: IncomingMessage): boolean {
  return PATHS.includes(url);
}

/**
 * `GET /healthz`: the process answers; restart it when it does not. `GET /readyz`: 200 when requests should be
 * sent here, otherwise 503. Neither needs a password, and both tell no more than that. They are not logged.
 */
export function answerHealth({ isReady }: Health): Middleware<RequestState> {
  return async (ctx, next) => {
    const asked = ctx.method === 'GET' || ctx.method === 'HEAD';
    if (asked && ctx.path === '/healthz') answerJson(ctx, 200, { status: 'ok' });
    else if (asked && ctx.path === '/readyz') {
      const ready = await isReady();
      answerJson(ctx, ready ? 200 : 503, { status: ready ? 'ready' : 'not ready' });
    } else await next();
  };
}
