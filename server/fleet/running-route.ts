import { EntryUnknownError, SettingInvalidError } from '../../auth/errors.ts';
import { isDigest } from '../../oci/digest.ts';
import { EVERYBODY } from '../api/access.ts';
import { type Route, route } from '../api/route.ts';
import { boolean, integer, list, object, optional, text } from '../api/schema.ts';
import { mayOn } from './app-access.ts';
import type { AppRoutesDependencies } from './app-terms.ts';
import { instancesOn } from './app-views.ts';

const RUNNING = object(
  {
    app: text(),
    release: integer(),
    service: text(),
    repository: text(),
    digest: text(),
    hosts: list(text(), { description: 'Names of the hosts that run it now' }),
    kept: boolean({ description: 'True if no host should run it, and it is kept for a rollback' }),
  },
  { title: 'RunningImage' },
);

/** Which apps and hosts run an image. */
export function runningRoute({
  apps,
  catalog,
  hosts,
}: Pick<AppRoutesDependencies, 'apps' | 'catalog' | 'hosts'>): Route {
  return route({
    method: 'GET',
    path: '/running',
    id: 'listRunning',
    summary: 'Which apps and hosts run an image',
    description: 'By `digest`, or by `repository` and `tag`. Shows the apps that the client may see.',
    access: EVERYBODY,
    area: 'apps',
    query: { digest: optional(text()), repository: optional(text()), tag: optional(text()) },
    answer: object({ running: list(RUNNING) }),
    async handle({ ctx, query: { digest, repository, tag } }) {
      let wanted = digest;
      if (wanted === undefined && repository !== undefined && tag !== undefined) {
        if (!mayOn(ctx, repository, 'pull')) return { running: [] };
        wanted = (await catalog.manifests.find(repository, { tag }))?.blob.digest;
        if (wanted === undefined) throw new EntryUnknownError(`there is no ${repository}:${tag}`);
      }
      if (wanted === undefined || !isDigest(wanted)) {
        throw new SettingInvalidError('name a "digest", or a "repository" and a "tag"');
      }
      const holders = (await apps.holders(wanted, repository)).filter(({ app }) => mayOn(ctx, app, 'pull'));
      const reported = await hosts.list();
      return {
        running: holders.map((holder) => ({
          app: holder.app,
          release: holder.release,
          service: holder.service,
          repository: holder.repository,
          digest: holder.digest,
          hosts: reported
            .filter((host) =>
              instancesOn(host, holder.app).some(
                (one) =>
                  one.release === holder.release && one.service === holder.service && one.state === 'running',
              ),
            )
            .map(({ name }) => name),
          kept: !holder.runs,
        })),
      };
    },
  });
}
