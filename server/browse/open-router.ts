import type { Middleware } from 'koa';
import type { Authenticator } from '../../auth/authenticators/authenticator.ts';
import { KoaRouter } from '../../lib/http/koa-router.ts';
import { describeRoutes } from '../api/openapi.ts';
import type { Route } from '../api/route.ts';
import { describeRoute, MANAGEMENT_PATH, refuseForms, routerPath } from '../api/serve-routes.ts';
import { RegistryError } from '../errors.ts';
import { isCrossSite } from '../login/own-origin.ts';
import { authenticate } from '../middleware.ts';
import type { RequestContext, RequestRouter, RequestState } from '../request-context.ts';

/** Creates the part of the management API that needs no accounts, for a registry that has none. */
export function createOpenRouter(
  routes: readonly Route[],
  authenticator: Authenticator | undefined,
  pathPrefix: string,
): RequestRouter {
  const base = `${pathPrefix}${MANAGEMENT_PATH}`;
  const router: RequestRouter = new KoaRouter<RequestState>({ sensitive: true, prefix: base });
  const description = describeRoute(() => describeRoutes([description, ...routes], base));
  router.get(description.path, description.run);
  router.use(authenticate(authenticator));
  for (const { method, path, run } of routes) {
    router.register(routerPath(path), [method], [refuseOtherSites, refuseForms, run]);
  }
  return router;
}

/** Refuses changes by pages of other sites: a browser that reaches the registry would make them for anybody. */
const refuseOtherSites: Middleware<RequestState> = async (ctx, next) => {
  const reads = ctx.method === 'GET' || ctx.method === 'HEAD';
  if (!reads && ctx.req.headers.origin !== undefined && isCrossSite(ctx as RequestContext)) {
    throw new RegistryError('DENIED', 'pages of other sites may not change this registry');
  }
  await next();
};
