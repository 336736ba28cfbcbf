import type { Middleware } from 'koa';
import type { Logger } from 'pino';
import { nameOf } from '../../auth/access/access.ts';
import type { DeviceLogins } from '../../auth/sessions/device-logins.ts';
import { KoaRouter } from '../../lib/http/koa-router.ts';
import type { AuditCatalog, AuditEntry } from '../../storage/catalog/audit-catalog.ts';
import { recordingChange } from '../../storage/catalog/recorded-change.ts';
import type { Refusal } from '../audit/refusals.ts';
import type { BrowserOffers, RequestRouter, RequestState } from '../request-context.ts';
import { answerErrorsAsPages } from './answer-page.ts';
import { addBrowserRoutes, type BrowserLoginDependencies } from './browser-login.ts';
import { addDevicePages, addDeviceRoutes } from './device-login.ts';
import { addHomePage } from './home-page.ts';
import { addPasswordLogin, type LoginPageDependencies } from './login-page.ts';

export interface LoginDependencies
  extends BrowserLoginDependencies,
    Pick<LoginPageDependencies, 'passwords'> {
  readonly devices: DeviceLogins;
}

/** Dependencies of the login routes. */
export interface LoginSurroundings {
  readonly pathPrefix: string;
  readonly offers: BrowserOffers;
  readonly log: Logger;
  readonly audit: Pick<AuditCatalog, 'record'>;
  readonly refused: ((refusal: Refusal) => void) | undefined;
}

export const LOGIN_PATH = '/auth';

/**
 * Creates the routes of logins with a browser, by password or OpenID Connect provider, and the rest: a session in a
 * cookie, a token for docker, and the confirmation of terminals (RFC 8628).
 */
export function createLoginRouter(
  dependencies: LoginDependencies,
  { pathPrefix, offers, log, audit, refused }: LoginSurroundings,
): RequestRouter {
  const router: RequestRouter = new KoaRouter<RequestState>({
    sensitive: true,
    prefix: `${pathPrefix}${LOGIN_PATH}`,
  });
  const pages = answerErrorsAsPages(log, refused);
  router.use((ctx, next) => {
    ctx.state.offers = offers;
    return next();
  }, recordLogins(audit));
  addDeviceRoutes(router, dependencies.devices);
  addHomePage(router, dependencies, pages);
  addPasswordLogin(router, dependencies, pages, refused ?? (() => {}));
  addBrowserRoutes(router, dependencies, pages);
  addDevicePages(router, dependencies, pages);
  return router;
}

const RECORDED: Readonly<Record<string, 'login' | 'manage'>> = {
  'GET /auth/callback': 'login',
  'POST /auth/password': 'login',
  'POST /auth/tokens': 'manage',
  'POST /auth/device/answer': 'manage',
};

/**
 * Records logins, and the tokens made with them, never the query, which holds secrets: in the transaction that creates
 * a token or answers a terminal, and for a login before the answer is sent.
 */
function recordLogins(audit: Pick<AuditCatalog, 'record'>): Middleware<RequestState> {
  return async (ctx, next) => {
    const what = `${ctx.method} ${ctx.path.slice(ctx.state.pathPrefix.length)}`;
    const action = RECORDED[what];
    if (action === undefined) return next();
    const entry = (): AuditEntry | undefined => {
      const { identity, origin } = ctx.state;
      const who = nameOf(identity);
      if (who === undefined) return undefined;
      const address = origin.remote === undefined ? {} : { address: origin.remote };
      return { at: new Date(), who, ...address, action, outcome: 'done', detail: what, count: 1 };
    };
    const isRecorded = await recordingChange(entry, next);
    const late = isRecorded || ctx.status >= 400 ? undefined : entry();
    if (late !== undefined) await audit.record([late]);
  };
}
