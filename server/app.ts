import Koa from 'koa';
import type { Logger } from 'pino';
import type { Authenticator } from '../auth/authenticators/authenticator.ts';
import { answerHealth, type Health } from './health/answer-health.ts';
import { answerErrors } from './middleware/answer-errors.ts';
import { authenticate } from './middleware/authenticate.ts';
import { beginRequest } from './middleware/begin-request.ts';
import { recordRequests } from './middleware/record-requests.ts';
import { refuseWhileDraining } from './middleware/refuse-while-draining.ts';
import type { RegistryDependencies } from './registry/registry-dependencies.ts';
import { REGISTRY_HEADERS } from './registry/registry-headers.ts';
import { createRegistryRouter } from './registry/registry-router.ts';
import type { RequestState } from './request-context.ts';
import type { RequestRecorder } from './request-recorder.ts';

export interface AppDependencies {
  readonly registry: RegistryDependencies;
  /** Absent when the registry is open to all. */
  readonly authenticator: Authenticator | undefined;
  readonly health: Health;
  readonly log: Logger;
  readonly recorder: RequestRecorder;
  readonly isDraining: () => boolean;
}

/** The HTTP application: what happens to every request, in order. */
export function createApp(dependencies: AppDependencies): Koa<RequestState> {
  const { registry, authenticator, health, isDraining, log, recorder } = dependencies;
  const app = new Koa<RequestState>();
  // What routes throw never gets here; koa also reports connections that broke, at which nobody is at fault.
  app.on('error', (error: unknown, ctx?: Koa.Context) => {
    if (ctx?.req.socket.destroyed) log.debug({ err: error }, 'a connection broke');
    else log.error({ err: error }, 'an answer failed');
  });
  app.use(beginRequest());
  app.use(answerHealth(health));
  app.use(recordRequests(recorder));
  app.use(announceVersion);
  app.use(answerErrors(log));
  app.use(refuseWhileDraining(isDraining));
  app.use(authenticate(authenticator));
  const router = createRegistryRouter(registry);
  app.use(router.routes());
  app.use(router.allowedMethods());
  return app;
}

async function announceVersion(ctx: Koa.Context, next: Koa.Next): Promise<void> {
  if (ctx.path === '/v2' || ctx.path.startsWith('/v2/')) ctx.set(REGISTRY_HEADERS);
  await next();
}
