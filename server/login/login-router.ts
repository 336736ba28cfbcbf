import type { Logger } from 'pino';
import type { DeviceLogins } from '../../auth/sessions/device-logins.ts';
import { KoaRouter } from '../../lib/http/koa-router.ts';
import type { AuditCatalog } from '../../storage/catalog/audit-catalog.ts';
import type { Refusal } from '../audit/refusals.ts';
import type { RequestRouter, RequestState } from '../request-context.ts';
import { answerErrorsAsPages } from './answer-page.ts';
import { addBrowserRoutes, type BrowserLoginDependencies } from './browser-login.ts';
import { addDevicePages, addDeviceRoutes } from './device-login.ts';
import { addHomePage } from './home-page.ts';
import { recordLogins } from './record-logins.ts';

export interface LoginDependencies extends BrowserLoginDependencies {
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

/**
 * How people log in with a browser, by an OpenID Connect provider, and what they do there: pages without scripts, a
 * session in a cookie, and the confirmation of terminals (RFC 8628).
 */
export function createLoginRouter(
  dependencies: LoginDependencies,
  { pathPrefix, log, audit, refused }: LoginSurroundings,
): RequestRouter {
  const router: RequestRouter = new KoaRouter<RequestState>({
    sensitive: true,
    prefix: `${pathPrefix}${LOGIN_PATH}`,
  });
  const pages = answerErrorsAsPages(log, refused);
  router.use(recordLogins(audit));
  addDeviceRoutes(router, dependencies.devices);
  addHomePage(router, dependencies, pages);
  addBrowserRoutes(router, dependencies, pages);
  addDevicePages(router, dependencies, pages);
  return router;
}
