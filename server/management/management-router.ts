import type { Middleware } from 'koa';
import type { AuthStore } from '../../auth/auth-store.ts';
import type { Authenticator } from '../../auth/authenticators/authenticator.ts';
import type { Sessions } from '../../auth/sessions/sessions.ts';
import { KoaRouter } from '../../lib/http/koa-router.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { requireScope } from '../api/access.ts';
import { describeRoutes } from '../api/openapi.ts';
import type { Route } from '../api/route.ts';
import { describeRoute, MANAGEMENT_PATH, refuseForms, routerPath } from '../api/serve-routes.ts';
import { RegistryError } from '../errors.ts';
import { isCrossSite } from '../login/own-origin.ts';
import { sessionOf } from '../login/session-of.ts';
import { authenticate } from '../middleware.ts';
import { unauthorized } from '../registry/authorize.ts';
import type { RequestContext, RequestRouter, RequestState } from '../request-context.ts';
import type { Deliver } from '../webhooks/deliver.ts';
import type { RefuseReceiver } from '../webhooks/public-addresses.ts';
import { auditRoutes, recordChanges } from './audit.ts';
import { tokenRoutes } from './credentials.ts';
import { grantRoutes, ruleRoutes } from './grants.ts';
import { keyRoutes, loginRoutes } from './logins.ts';
import { providerRoutes } from './providers.ts';
import { accessRoutes } from './repository-access.ts';
import { robotRoutes } from './robots.ts';
import { quotaRoutes, tagRuleRoutes } from './settings.ts';
import { teamRoutes } from './teams.ts';
import { identityRoutes, type ManagedPasswords, userRoutes } from './users.ts';
import { webhookRoutes } from './webhooks.ts';

export interface ManagementDependencies {
  readonly authenticator: Authenticator;
  readonly sessions: Sessions;
  readonly store: AuthStore;
  readonly passwords: ManagedPasswords;
  /** Routes of repositories, for visitors too. */
  readonly browse: readonly Route[];
  /** The stream of events. */
  readonly events: readonly Route[];
  /** Routes of the fleet. */
  readonly fleet: readonly Route[];
  readonly catalog: Pick<Catalog, 'audit' | 'quotas' | 'tagRules' | 'webhooks'>;
  readonly deliver: Deliver;
  readonly refuseReceiver: RefuseReceiver;
  readonly isDraining: () => boolean;
}

/**
 * Creates the management API. It accepts HTTP Basic, or the session cookie of a browser, and no tokens of the token
 * server. A page of another site can neither read it nor change anything: its requests with the cookie are refused, and
 * browsers send the cookie from other sites only with links; requests that change something have a JSON body or a
 * method that needs a preflight.
 */
export function createManagementRouter(
  dependencies: ManagementDependencies,
  pathPrefix: string,
): RequestRouter {
  const base = `${pathPrefix}${MANAGEMENT_PATH}`;
  const router: RequestRouter = new KoaRouter<RequestState>({ sensitive: true, prefix: base });
  const routes = managementRoutes(dependencies);
  const description = describeRoute(() => describeRoutes([description, ...routes], base));
  router.get(description.path, description.run);
  router.use(askForBasic, identify(dependencies));
  const record = recordChanges(dependencies.catalog.audit);
  for (const declared of routes) {
    const { access, method, path, recordedBy, run } = declared;
    const limit: Middleware<RequestState> = (ctx, next) => {
      requireScope(ctx as RequestContext, declared);
      return next();
    };
    const refuse = access.anonymous ? refuseBearers : refuseStrangers;
    const recorded = recordedBy === 'catalog' ? [] : [record];
    router.register(routerPath(path), [method], [refuse, limit, refuseForms, ...recorded, run]);
  }
  return router;
}

/** Returns the routes of the management API, except for its description. */
export function managementRoutes(dependencies: ManagementDependencies): readonly Route[] {
  const {
    authenticator,
    browse,
    catalog,
    deliver,
    events,
    fleet,
    isDraining,
    passwords,
    refuseReceiver,
    sessions,
    store,
  } = dependencies;
  return [
    ...userRoutes(store.accounts, passwords),
    ...teamRoutes(store.teams),
    ...grantRoutes(store.roles),
    ...accessRoutes(store),
    ...tokenRoutes(store.credentials),
    ...loginRoutes(store.logins),
    ...robotRoutes(store.credentials),
    ...ruleRoutes(store.jobRules),
    ...providerRoutes(store.providers),
    ...identityRoutes(store),
    ...keyRoutes(store.keys),
    ...auditRoutes({ audit: catalog.audit, authenticator, sessions, isDraining }),
    ...webhookRoutes({ webhooks: catalog.webhooks, deliver, refuseReceiver }),
    ...tagRuleRoutes(catalog.tagRules),
    ...quotaRoutes(catalog.quotas),
    ...browse,
    ...events,
    ...fleet,
  ];
}

const askForBasic: Middleware<RequestState> = async (ctx, next) => {
  ctx.state.challenge = { kind: 'basic' };
  await next();
};

/** Identifies the client by its Authorization header or, without one, by its session cookie. */
function identify({ authenticator, sessions }: ManagementDependencies): Middleware<RequestState> {
  const byHeader = authenticate(authenticator);
  return async (context, next) => {
    const ctx = context as RequestContext;
    const asks = ctx.req.headers.authorization === undefined;
    const session = asks ? await sessionOf(ctx, sessions) : undefined;
    if (session === undefined) return byHeader(context, next);
    refuseOtherSites(ctx);
    await next();
  };
}

/** Refuses requests of other sites: only a page that this server allows can set X-Berth-CSRF (Fetch standard, "CORS protocol"). */
function refuseOtherSites(ctx: RequestContext): void {
  const reads = ctx.method === 'GET' || ctx.method === 'HEAD';
  const shown = ctx.req.headers.origin !== undefined || ctx.get('X-Berth-CSRF') !== '';
  if (!isCrossSite(ctx) && (reads || shown)) return;
  throw new RegistryError(
    'DENIED',
    'with a session cookie, a change needs the header X-Berth-CSRF, or an Origin that is this registry',
  );
}

/** Tokens of the token server are for the distribution API. */
const refuseBearers: Middleware<RequestState> = async (ctx, next) => {
  const { identity } = ctx.state;
  if (identity.kind !== 'anonymous' && identity.proof.kind === 'bearer') throw unauthorized(ctx);
  await next();
};

const refuseStrangers: Middleware<RequestState> = async (ctx, next) => {
  const { identity } = ctx.state;
  if (identity.kind === 'anonymous' || identity.proof.kind === 'bearer') throw unauthorized(ctx);
  if (identity.kind === 'job') throw new RegistryError('DENIED', 'jobs cannot use this API');
  await next();
};
