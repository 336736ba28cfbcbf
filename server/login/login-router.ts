import type { Router } from '@koa/router';
import type { Logger } from 'pino';
import type { AuthStore } from '../../auth/auth-store.ts';
import type { ProviderClient } from '../../auth/providers/provider-client.ts';
import type { DeviceLogins } from '../../auth/sessions/device-logins.ts';
import type { Sessions } from '../../auth/sessions/sessions.ts';
import { KoaRouter } from '../../lib/http/koa-router.ts';
import type { AuditCatalog } from '../../storage/catalog/audit-catalog.ts';
import type { Refusal } from '../audit/refusals.ts';
import type { RequestState } from '../request-context.ts';
import { answerErrorsAsPages } from './answer-page.ts';
import { addBrowserRoutes } from './browser-login.ts';
import { addDevicePages, addDeviceRoutes } from './device-login.ts';
import { addHomePage } from './home-page.ts';
import { recordLogins } from './record-logins.ts';

export interface LoginDependencies {
  readonly store: AuthStore;
  readonly sessions: Sessions;
  readonly providers: ProviderClient;
  readonly devices: DeviceLogins;
}

/** What the routes of logins have from the rest of the server. */
export interface LoginSurroundings {
  readonly pathPrefix: string;
  readonly log: Logger;
  readonly audit: Pick<AuditCatalog, 'record'>;
  readonly refused: ((refusal: Refusal) => void) | undefined;
}

export const LOGIN_PATH = '/auth';

export type LoginRouter = Router<RequestState>;

/**
 * How people log in with a browser, by an OpenID Connect provider, and what they do there: pages without scripts, a
 * session in a cookie, and the confirmation of terminals (RFC 8628).
 */
export function createLoginRouter(
  dependencies: LoginDependencies,
  { pathPrefix, log, audit, refused }: LoginSurroundings,
): LoginRouter {
  const router: LoginRouter = new KoaRouter<RequestState>({
    sensitive: true,
    prefix: `${pathPrefix}${LOGIN_PATH}`,
  });
  const pages = answerErrorsAsPages(log, refused);
  router.use(recordLogins(audit));
  addDeviceRoutes(router, dependencies);
  addHomePage(router, dependencies, pages);
  addBrowserRoutes(router, dependencies, pages);
  addDevicePages(router, dependencies, pages);
  return router;
}
