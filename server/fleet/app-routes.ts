import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { EntryUnknownError, SettingInvalidError } from '../../auth/errors.ts';
import { parseLabels } from '../../fleet/read-host.ts';
import type { Rollout } from '../../fleet/rollout.ts';
import { EVERYBODY } from '../api/access.ts';
import { limitParameter } from '../api/page.ts';
import { type Route, route } from '../api/route.ts';
import { boolean, integer, list, nullable, object, optional, record, schema, text } from '../api/schema.ts';
import type { RequestContext } from '../request-context.ts';
import { APP_MAINTAINERS, APP_READERS, APP_WRITERS, appOf, byOf, mayOn } from './app-access.ts';
import {
  APP_PARAMETER,
  type AppRoutesDependencies,
  answeredApp,
  foundApp,
  REFUSALS,
  TIMEOUT,
} from './app-terms.ts';
import {
  APP,
  INSTANCE,
  instancesOn,
  PLAN,
  RELEASE,
  ROLLOUT,
  shownApp,
  shownRelease,
  shownRollout,
} from './app-views.ts';
import { changeRoutes } from './change-routes.ts';
import type { FleetSignals } from './fleet-signals.ts';
import { runningRoute } from './running-route.ts';
import { secretRoutes } from './secret-routes.ts';
import { WaitingPolls } from './waiting-polls.ts';

/** Maximum size of a Compose file with its configurations, bytes of JSON. */
const MAX_COMPOSE = 1024 * 1024;
/** Maximum seconds that a request waits for a rollout to change. */
const MAX_WAIT = 60;
/** Milliseconds after which a waiting request checks again: another replica may drive the rollout. */
const LOOK_AGAIN = 500;
const HISTORY = 50;
const MAX_HISTORY = 200;

const COMPOSE = schema(
  { noun: 'a Compose file as an object', plural: 'Compose files' },
  { type: 'object', description: 'A Compose file after interpolation', writeOnly: true },
  (value) => (typeof value === 'object' && value !== null ? value : undefined),
);
const NEW_RELEASE = object(
  {
    compose: COMPOSE,
    on: optional(record(text(), { description: 'Required labels of hosts' })),
    follow: optional(boolean({ description: 'Whether a moved tag makes a release' })),
    dryRun: optional(boolean({ description: 'Returns the plan, and changes nothing' })),
    timeout: TIMEOUT,
  },
  { title: 'NewRelease' },
);
const DEPLOYED = object({ release: nullable(integer()), plan: PLAN }, { title: 'Deployed' });
/** Apps, their releases and rollouts. */
export function appRoutes(dependencies: AppRoutesDependencies): readonly Route[] {
  const { apps, deployments, hosts } = dependencies;
  const polls = new WaitingPolls();
  return [
    route({
      method: 'GET',
      path: '/apps',
      id: 'listApps',
      summary: 'The apps that the client may see',
      access: EVERYBODY,
      area: 'apps',
      answer: object({ apps: list(APP) }),
      async handle({ ctx }) {
        const seen = (await apps.list()).filter(({ name }) => mayOn(ctx, name, 'pull'));
        const states = await apps.latestStates();
        return { apps: seen.map((app) => shownApp(app, states.get(app.name))) };
      },
    }),
    route({
      method: 'GET',
      path: '/apps/{app}',
      id: 'showApp',
      summary: 'An app',
      access: APP_READERS,
      area: 'apps',
      params: APP_PARAMETER,
      answer: APP,
      errors: { 404: 'There is no such app' },
      handle: async ({ ctx }) => answeredApp(apps, await foundApp(apps, ctx)),
    }),
    route({
      method: 'DELETE',
      path: '/apps/{app}',
      id: 'removeApp',
      summary: 'Remove an app',
      description: 'Its instances stop on all hosts, and its history and secrets are deleted. Volumes stay.',
      access: APP_MAINTAINERS,
      area: 'apps',
      params: APP_PARAMETER,
      errors: { 404: 'There is no such app' },
      handle: ({ ctx }) => removeApp(dependencies, appOf(ctx)),
    }),
    route({
      method: 'POST',
      path: '/apps/{app}/releases',
      id: 'deploy',
      summary: 'Deploy: make a release and roll it out',
      description: 'The client must be allowed to pull each image.',
      access: APP_WRITERS,
      area: 'apps',
      params: APP_PARAMETER,
      body: NEW_RELEASE,
      bodyLimit: MAX_COMPOSE,
      answer: DEPLOYED,
      status: 201,
      errors: REFUSALS,
      async handle({ ctx, body }) {
        const request = {
          app: appOf(ctx),
          compose: body.compose,
          by: byOf(ctx),
          ownNames: [ctx.state.origin.host],
          mayPull: (repository: string) => mayOn(ctx, repository, 'pull'),
          ...(body.on !== undefined && { on: constraintsOf(body.on) }),
          ...(body.follow !== undefined && { follow: body.follow }),
          ...(body.timeout !== undefined && { timeout: body.timeout * 1000 }),
        };
        const { plan, release } = await deployments.deploy(request, { dryRun: body.dryRun === true });
        return { release: release?.number ?? null, plan };
      },
    }),
    route({
      method: 'GET',
      path: '/apps/{app}/releases',
      id: 'listReleases',
      summary: 'The history of an app, newest first',
      access: APP_READERS,
      area: 'apps',
      params: APP_PARAMETER,
      query: {
        limit: limitParameter(HISTORY, MAX_HISTORY),
        before: optional(text({ description: 'Only releases with lower numbers' })),
      },
      answer: object({ releases: list(RELEASE) }),
      errors: { 404: 'There is no such app' },
      async handle({ ctx, query: { before, limit = HISTORY } }) {
        const { name } = await foundApp(apps, ctx);
        const number = before === undefined ? undefined : numberOf('before', before);
        return { releases: (await apps.releases(name, limit, number)).map(shownRelease) };
      },
    }),
    route({
      method: 'GET',
      path: '/apps/{app}/instances',
      id: 'listInstances',
      summary: 'The instances of an app, as their hosts last reported them',
      access: APP_READERS,
      area: 'apps',
      params: APP_PARAMETER,
      answer: object({ instances: list(INSTANCE) }),
      errors: { 404: 'There is no such app' },
      async handle({ ctx }) {
        const { name } = await foundApp(apps, ctx);
        return { instances: (await hosts.list([name])).flatMap((host) => instancesOn(host, name)) };
      },
    }),
    route({
      method: 'GET',
      path: '/apps/{app}/rollout',
      id: 'showRollout',
      summary: 'The progress of the last rollout of an app',
      description: 'With `after` the answer waits until there is another revision.',
      access: APP_READERS,
      area: 'apps',
      params: APP_PARAMETER,
      query: {
        after: optional(text({ description: 'The revision of the previous answer' })),
        wait: optional(text({ description: `Seconds to wait, at most ${MAX_WAIT}` })),
      },
      answer: ROLLOUT,
      errors: { 404: 'There is no such app, or it has no rollout' },
      handle({ ctx, query: { after, wait } }) {
        const seconds = wait === undefined ? 0 : numberOf('wait', wait);
        const answer = () => rolloutAfter(dependencies, ctx, after, seconds);
        return after === undefined || seconds === 0 ? answer() : polls.during(byOf(ctx), answer);
      },
    }),
    ...changeRoutes(dependencies),
    ...secretRoutes(dependencies),
    runningRoute(dependencies),
  ];
}

async function rolloutAfter(
  { apps, hosts, signals }: AppRoutesDependencies,
  ctx: RequestContext,
  after: string | undefined,
  seconds: number,
) {
  const { name } = await foundApp(apps, ctx);
  const end = performance.now() + Math.min(seconds, MAX_WAIT) * 1000;
  for (;;) {
    const stored = await apps.findRollout(name);
    if (stored === undefined) throw new EntryUnknownError(`${name} has no rollout`);
    const release = await apps.findRelease(name, stored.release);
    const view = shownRollout(stored.state as Rollout, release, await hosts.list([name]), Date.now());
    const revision = createHash('sha256').update(JSON.stringify(view)).digest('hex').slice(0, 24);
    const left = end - performance.now();
    if (revision !== after || left <= 0) return { revision, ...view };
    await untilChange(signals, name, Math.min(left, LOOK_AGAIN), ctx.state.signal);
  }
}

async function untilChange(
  signals: FleetSignals,
  app: string,
  milliseconds: number,
  signal: AbortSignal,
): Promise<void> {
  const changed = new AbortController();
  const stop = signals.onApps((apps) => {
    if (apps.includes(app)) changed.abort();
  });
  try {
    await sleep(milliseconds, undefined, { signal: AbortSignal.any([signal, changed.signal]) });
  } catch {
    signal.throwIfAborted();
  } finally {
    stop();
  }
}

async function removeApp({ apps, signals }: AppRoutesDependencies, app: string): Promise<void> {
  const hosts = await apps.remove(app);
  if (hosts === undefined) throw new EntryUnknownError(`there is no app named ${app}`);
  signals.targetsChanged(hosts);
}

function constraintsOf(labels: Readonly<Record<string, string>>) {
  return Object.entries(parseLabels(labels)).map(([key, value]) => ({ key, operator: '==' as const, value }));
}

function numberOf(name: string, value: string): number {
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw new SettingInvalidError(`"${name}" must be a number`);
}
