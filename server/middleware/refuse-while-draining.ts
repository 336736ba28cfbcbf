import type { Middleware } from 'koa';
import { RegistryError } from '../errors.ts';
import type { RequestState } from '../request-context.ts';

/** Refuses requests that begin after the server was told to stop, and has their connections closed. */
export function refuseWhileDraining(isDraining: () => boolean): Middleware<RequestState> {
  return async (ctx, next) => {
    if (isDraining()) {
      throw new RegistryError('SHUTTING_DOWN', undefined, { headers: { Connection: 'close' } });
    }
    await next();
    if (isDraining() && !ctx.res.headersSent) ctx.set('Connection', 'close');
  };
}
