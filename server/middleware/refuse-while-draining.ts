import type { Middleware } from 'koa';
import { RegistryError } from '../errors.ts';
import type { RequestState } from '../request-context.ts';

/** Refuses requests that begin after the server has begun to drain. */
export function refuseWhileDraining(isDraining: () => boolean): Middleware<RequestState> {
  return async (_ctx, next) => {
    if (isDraining()) throw new RegistryError('SHUTTING_DOWN');
    await next();
  };
}
