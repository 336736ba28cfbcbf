import type { Middleware } from 'koa';
import { KoaRouter } from '../../lib/http/koa-router.ts';
import { MANAGEMENT_PATH } from '../api/serve-routes.ts';
import { RegistryError } from '../errors.ts';
import { sessionOf } from '../login/session-of.ts';
import { managementRoutes } from '../management/management-router.ts';
import type { RequestContext, RequestRouter, RequestState } from '../request-context.ts';
import { addAccountPages } from './account-page.ts';
import { addAdminPages } from './admin/admin-pages.ts';
import { ApiCalls } from './api-calls.ts';
import { addFleetPages } from './fleet/fleet-pages.ts';
import { goTo, LoginNeeded, pathOf } from './page-context.ts';
import type { PageDependencies } from './page-dependencies.ts';
import { addRepositoriesPage } from './repositories-page.ts';
import { addRepositoryPages } from './repository-pages.ts';
import { addTagSearchPage } from './tag-search-page.ts';

/**
 * Creates the routes of pages. Every path that a page may have is answered here, and errors are thrown for the rest.
 */
export function createPageRouter(dependencies: PageDependencies): Middleware<RequestState> {
  const { browse, feed, login, management, registry } = dependencies;
  const { pathPrefix } = registry;
  const router: RequestRouter = new KoaRouter<RequestState>({
    sensitive: true,
    ...(pathPrefix !== '' && { prefix: pathPrefix }),
  });
  router.use(identify(dependencies), markEvents(feed), askForLogin);
  addRepositoriesPage(router, browse);
  addTagSearchPage(router, browse);
  const api =
    management &&
    new ApiCalls(managementRoutes(management), registry.catalog.audit, `${pathPrefix}${MANAGEMENT_PATH}`);
  addRepositoryPages(router, browse, api);
  if (login !== undefined && api !== undefined) {
    addAccountPages(router, { ...login, api });
    addAdminPages(router, api, dependencies);
    if (management !== undefined && management.fleet.length > 0) addFleetPages(router, api);
  }
  router.get('/docs{/*name}', async (ctx) => {
    const { showDocument } = await import('./documents/documents-page.ts');
    await showDocument(ctx);
  });
  router.all('/*rest', () => {
    throw new RegistryError('ROUTE_UNKNOWN', 'there is no page at this address');
  });
  return router.routes() as unknown as Middleware<RequestState>;
}

/** Identifies the account that is logged in with this browser, or else an anonymous visitor. */
function identify({ authenticator, login }: PageDependencies): Middleware<RequestState> {
  return async (context, next) => {
    const ctx = context as RequestContext;
    const session = login && (await sessionOf(ctx, login.sessions));
    if (session === undefined && authenticator !== undefined) {
      const { origin, signal } = ctx.state;
      ctx.state.identity = await authenticator.authenticate(undefined, { remote: origin.remote, signal });
    }
    await next();
  };
}

/** Records the place in the event stream before a page reads its data, so that the page misses no change after that. */
function markEvents(feed: PageDependencies['feed']): Middleware<RequestState> {
  return async (ctx, next) => {
    if (ctx.method === 'GET') ctx.state.eventsAfter = await feed.mark();
    await next();
  };
}

const askForLogin: Middleware<RequestState> = async (context, next) => {
  const ctx = context as RequestContext;
  try {
    await next();
  } catch (error) {
    if (!(error instanceof LoginNeeded)) throw error;
    const back = ctx.method === 'GET' ? ctx.url : pathOf(ctx, '/');
    goTo(ctx, pathOf(ctx, '/auth/', { return: back }));
  }
};
