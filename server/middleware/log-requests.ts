import type { Socket } from 'node:net';
import type { Middleware } from 'koa';
import type { Logger } from 'pino';
import type { RequestState } from '../request-context.ts';

/** One line for each request, when it has ended. Neither query nor headers: they may hold secrets. */
export function logRequests(log: Logger): Middleware<RequestState> {
  // By the time that a request is seen its headers have been read: what counts is where the last one ended.
  const bytesRead = new WeakMap<Socket, number>();
  return async (ctx, next) => {
    const { socket } = ctx.req;
    const started = performance.now();
    const written = socket.bytesWritten;
    const remote = socket.remoteAddress;
    ctx.res.once('close', () => {
      const { identity } = ctx.state;
      const read = socket.bytesRead - (bytesRead.get(socket) ?? 0);
      bytesRead.set(socket, socket.bytesRead);
      log.info(
        {
          method: ctx.method,
          path: ctx.path,
          status: ctx.res.statusCode,
          ms: Math.round((performance.now() - started) * 10) / 10,
          bytesIn: read,
          bytesOut: socket.bytesWritten - written,
          remote,
          ...(identity.kind === 'user' && { user: identity.name }),
          ...(!ctx.res.writableFinished && { aborted: true }),
        },
        'request',
      );
    });
    await next();
  };
}
