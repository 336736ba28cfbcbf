import Koa from 'koa';
import type { Logger } from 'pino';
import type { Authenticator } from '../auth/authenticators/authenticator.ts';
import { answerErrors } from './middleware/answer-errors.ts';
import { authenticate } from './middleware/authenticate.ts';
import { beginRequest } from './middleware/begin-request.ts';
import { logRequests } from './middleware/log-requests.ts';
import { refuseWhileDraining } from './middleware/refuse-while-draining.ts';
import type { RegistryDependencies } from './registry/registry-dependencies.ts';
import { createRegistryRouter } from './registry/registry-router.ts';
import type { RequestState } from './request-context.ts';

export interface AppDependencies {
  readonly registry: RegistryDependencies;
  /** Absent when the registry is open to all. */
  readonly authenticator: Authenticator | undefined;
  readonly log: Logger;
  readonly isDraining: () => boolean;
}

/** The HTTP application: what happens to every request, in order. */
export function createApp({ registry, authenticator, log, isDraining }: AppDependencies): Koa<RequestState> {
  const app = new Koa<RequestState>();
  // What routes throw never gets here; koa also reports connections that broke, at which nobody is at fault.
  app.on('error', (error: unknown, ctx?: Koa.Context) => {
    if (ctx?.req.socket.destroyed) log.debug({ err: error }, 'a connection broke');
    else log.error({ err: error }, 'an answer failed');
  });
  app.use(beginRequest());
  app.use(logRequests(log));
  app.use(announceVersion);
  app.use(answerErrors(log));
  app.use(refuseWhileDraining(isDraining));
  app.use(authenticate(authenticator));
  const router = createRegistryRouter(registry);
  app.use(router.routes());
  app.use(router.allowedMethods());
  return app;
}

/** Old docker clients take a registry for one of version 2 only when it says so. */
async function announceVersion(ctx: Koa.Context, next: Koa.Next): Promise<void> {
  if (ctx.path === '/v2' || ctx.path.startsWith('/v2/')) {
    ctx.set('Docker-Distribution-Api-Version', 'registry/2.0');
  }
  await next();
}
