import { AppError, type AppStore } from '../../fleet/app-store.ts';
import type { HostStore } from '../../fleet/host-store.ts';
import type { App } from '../../fleet/release.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { SecretsKey } from '../../storage/fleet/secrets-key.ts';
import { integer, optional } from '../api/schema.ts';
import type { RequestContext } from '../request-context.ts';
import { appOf, byOf } from './app-access.ts';
import { shownApp } from './app-views.ts';
import type { Deployments } from './deployments.ts';
import type { FleetSignals } from './fleet-signals.ts';
import type { ChangeTerms } from './release-plan.ts';

/** Dependencies of the routes of apps. */
export interface AppRoutesDependencies {
  readonly apps: AppStore;
  readonly hosts: HostStore;
  readonly catalog: Pick<Catalog, 'manifests'>;
  readonly deployments: Deployments;
  readonly secretsKey: SecretsKey;
  readonly signals: FleetSignals;
}

/** The parameter in the paths of an app. */
export const APP_PARAMETER = { app: 'Name of the app, with %2F for its slashes' } as const;

export const TIMEOUT = optional(
  integer({
    minimum: 1,
    maximum: 24 * 60 * 60,
    description: 'Timeout of each host, seconds; 300 by default',
  }),
);

/** Returns who changes an app, and the timeout of each host; `timeout` is in seconds. */
export function changeTerms(ctx: RequestContext, timeout: number | undefined): ChangeTerms {
  return { by: byOf(ctx), ...(timeout !== undefined && { timeout: timeout * 1000 }) };
}

/** Reasons why a release is refused. */
export const REFUSALS = {
  409: 'Another change of the app was made at the same time, or an image was deleted',
  422: 'The app cannot be deployed: `detail.problems` has paths in the Compose file, and messages',
} as const;

/** Finds the app of a request. Throws AppError 'unknown'. */
export async function foundApp(apps: AppStore, ctx: RequestContext): Promise<App> {
  const name = appOf(ctx);
  const app = await apps.find(name);
  if (app === undefined) throw new AppError('unknown', `there is no app named ${name}`);
  return app;
}

/** Returns an app in the form of the management API. */
export async function answeredApp(apps: AppStore, app: App) {
  const latest = await apps.findRelease(app.name, app.latest);
  return shownApp(app, latest?.state);
}
