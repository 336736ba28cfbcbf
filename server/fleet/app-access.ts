import { nameOf } from '../../auth/access/access.ts';
import { allowsScope } from '../../auth/access/rights.ts';
import { type RepositoryAction, repositoryScope } from '../../auth/access/scope.ts';
import { SettingInvalidError } from '../../auth/errors.ts';
import { isRepositoryName } from '../../oci/reference.ts';
import type { Access } from '../api/access.ts';
import { RegistryError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';

/** Maximum length of an app's name, which becomes part of container names. */
const LONGEST = 100;

/** Returns the app in the path of a request. Throws SettingInvalidError for a name that no app can have. */
export function appOf({ params }: RequestContext): string {
  const { app = '' } = params as Readonly<Record<string, string>>;
  if (isRepositoryName(app) && app.length <= LONGEST) return app;
  throw new SettingInvalidError(
    `an app is named like a repository, such as team/shop, with at most ${LONGEST} characters`,
  );
}

/** Reports whether the client may do an action on an app, as on a repository of its name. */
export function mayOn({ state }: RequestContext, app: string, action: RepositoryAction): boolean {
  return allowsScope(state.identity.rights, repositoryScope(app, action));
}

function access(who: string, action: RepositoryAction): Access {
  return {
    who,
    check: (ctx) => {
      const app = appOf(ctx);
      if (mayOn(ctx, app, action)) return;
      throw new RegistryError('DENIED', `${who.slice(0, -1).replace(/^For/, 'this is for')}: ${app}`);
    },
  };
}

export const APP_READERS = access('For readers of the app.', 'pull');
export const APP_WRITERS = access('For writers of the app.', 'push');
export const APP_MAINTAINERS = access('For maintainers of the app.', 'delete');

/** Returns the actor of a request, for causes and the audit; '' for an anonymous one. */
export function byOf({ state }: RequestContext): string {
  return nameOf(state.identity) ?? '';
}
