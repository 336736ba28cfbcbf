import type { IncomingMessage } from 'node:http';
import Koa from 'koa';
import type { Logger } from 'pino';
import type { Authenticator } from '../auth/authenticators/authenticator.ts';
import { requestIdOf } from '../lib/http/request-id.ts';
import type { Route } from './api/route.ts';
import type { Refusal } from './audit/refusals.ts';
import type { Browse } from './browse/browse.ts';
import { answerHealth, type Health } from './cached-responses.ts';
import type { ChallengePolicy } from './challenges.ts';
import type { FleetDependencies } from './fleet/fleet-router.ts';
import type { AllowedOrigins } from './http/cors.ts';
import type { TrustedProxies } from './http/forwarded.ts';
import type { LoginDependencies } from './login/login-router.ts';
import type { ManagementDependencies } from './management/management-router.ts';
import {
  allowOrigins,
  answerErrors,
  authenticate,
  beginRequest,
  recordRequests,
  refuseUnavailable,
  refuseWhileDraining,
} from './middleware.ts';
import { answerBrowsers } from './page/answer-browsers.ts';
import type { PageDependencies } from './page/page-dependencies.ts';
import type { RegistryDependencies } from './registry/registry-dependencies.ts';
import { createRegistryRouter, REGISTRY_HEADERS } from './registry/registry-router.ts';
import type { RequestState } from './request-context.ts';
import type { RequestRecorder } from './request-recorder.ts';
import type { TokenDependencies } from './token/token-router.ts';

export interface AppDependencies {
  readonly browse: Browse;
  /** The stream of events. */
  readonly events: readonly Route[];
  readonly feed: PageDependencies['feed'];
  readonly registry: RegistryDependencies;
  /** Absent if the registry is open to all. */
  readonly authenticator: Authenticator | undefined;
  readonly challenges: ChallengePolicy;
  readonly corsOrigins: AllowedOrigins;
  /** Absent without accounts. */
  readonly fleet: FleetDependencies | undefined;
  readonly health: Health;
  readonly log: Logger;
  /** Absent without accounts. */
  readonly login: LoginDependencies | undefined;
  /** Absent without accounts. */
  readonly management: ManagementDependencies | undefined;
  /** Whether browsers are served pages. */
  readonly pages: boolean;
  readonly proxies: TrustedProxies;
  readonly recorder: RequestRecorder;
  /** Absent without a token server. */
  readonly tokens: TokenDependencies | undefined;
  readonly isDraining: () => boolean;
  /** Returns why a request must be refused, because the catalog is unavailable; undefined if it is available. */
  readonly unavailable: (req: IncomingMessage) => unknown;
  /** Called for every request that is refused with 401 or 403. */
  readonly refused: (refusal: Refusal) => void;
}

/** Creates the HTTP application, which handles every request in order. Routers that are switched off are not loaded. */
export async function createApp(dependencies: AppDependencies): Promise<Koa<RequestState>> {
  const { registry, authenticator, browse, challenges, corsOrigins, events, health, isDraining, log } =
    dependencies;
  const { feed, fleet, login, management, pages, proxies, recorder, refused, tokens } = dependencies;
  const app = new Koa<RequestState>();
  // Errors of routes never get here; koa also reports broken connections, which are not errors of the server.
  app.on('error', (error: unknown, ctx?: Koa.Context) => {
    const details = { err: error, ...(ctx && { requestId: requestIdOf(ctx.req) }) };
    if (ctx?.req.socket.destroyed) log.debug(details, 'a connection broke');
    else log.error(details, 'an answer failed');
  });
  app.use(beginRequest(registry.pathPrefix, proxies, challenges));
  app.use(answerHealth(health));
  app.use(recordRequests(recorder));
  app.use(announceVersion);
  if (corsOrigins.length > 0) app.use(allowOrigins(corsOrigins));
  app.use(answerErrors(log, refused));
  const offers = { pages, logins: login !== undefined, fleet: fleet !== undefined };
  const browsers = answerBrowsers(
    { offers, pathPrefix: registry.pathPrefix, log, refused },
    pages ? { authenticator, browse, feed, health, login, management, registry } : undefined,
  );
  app.use(browsers.before);
  app.use(refuseWhileDraining(isDraining));
  app.use(refuseUnavailable(dependencies.unavailable));
  if (tokens !== undefined) {
    const { createTokenRouter } = await import('./token/token-router.ts');
    const router = createTokenRouter(tokens, registry.pathPrefix);
    app.use(router.routes());
    app.use(router.allowedMethods());
  }
  if (fleet !== undefined) {
    const { createFleetRouter } = await import('./fleet/fleet-router.ts');
    const router = createFleetRouter(fleet, registry.pathPrefix);
    app.use(router.routes());
    app.use(router.allowedMethods());
  }
  if (management !== undefined) {
    const { createManagementRouter } = await import('./management/management-router.ts');
    const router = createManagementRouter(management, registry.pathPrefix);
    app.use(router.routes());
    app.use(router.allowedMethods());
  } else {
    const [{ createOpenRouter }, { browseRoutes }] = await Promise.all([
      import('./browse/open-router.ts'),
      import('./browse/browse-routes.ts'),
    ]);
    const router = createOpenRouter([...browseRoutes(browse), ...events], authenticator, registry.pathPrefix);
    app.use(router.routes());
    app.use(router.allowedMethods());
  }
  if (login !== undefined) {
    const { createLoginRouter } = await import('./login/login-router.ts');
    const router = createLoginRouter(login, {
      pathPrefix: registry.pathPrefix,
      offers,
      log,
      audit: registry.catalog.audit,
      refused,
    });
    app.use(router.routes());
    app.use(router.allowedMethods());
  }
  app.use(browsers.routes);
  app.use(authenticate(authenticator));
  const router = createRegistryRouter(registry);
  app.use(router.routes());
  app.use(router.allowedMethods());
  return app;
}

async function announceVersion(ctx: Koa.Context, next: Koa.Next): Promise<void> {
  const base = `${ctx.state.pathPrefix}/v2`;
  if (ctx.path === base || ctx.path.startsWith(`${base}/`)) ctx.set(REGISTRY_HEADERS);
  await next();
}
