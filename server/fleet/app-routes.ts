import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { EntryUnknownError, SettingInvalidError } from '../../auth/errors.ts';
import { AppError, type AppStore } from '../../fleet/app-store.ts';
import type { HostStore } from '../../fleet/host-store.ts';
import { parseLabels } from '../../fleet/read-host.ts';
import type { App, Release } from '../../fleet/release.ts';
import type { Rollout } from '../../fleet/rollout.ts';
import { isDigest } from '../../oci/digest.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { MAX_SECRET, type SecretsKey } from '../../storage/fleet/secrets-key.ts';
import { EVERYBODY } from '../api/access.ts';
import { limitParameter } from '../api/page.ts';
import { type Route, route } from '../api/route.ts';
import {
  boolean,
  integer,
  list,
  nullable,
  object,
  optional,
  record,
  schema,
  text,
  timestamp,
} from '../api/schema.ts';
import type { RequestContext } from '../request-context.ts';
import { APP_MAINTAINERS, APP_READERS, APP_WRITERS, appOf, byOf, mayOn } from './app-access.ts';
import {
  APP,
  INSTANCE,
  instancesOn,
  PLAN,
  RELEASE,
  ROLLOUT,
  shownApp,
  shownImages,
  shownRelease,
  shownRollout,
} from './app-views.ts';
import type { Deployments } from './deployments.ts';
import type { FleetSignals } from './fleet-signals.ts';

/** Maximum size of a Compose file with its configurations, bytes of JSON. */
const MAX_COMPOSE = 1024 * 1024;
/** Longest time that a request waits for a rollout to change, s. */
const MAX_WAIT = 60;
/** Time after which a waiting request looks again, ms: another replica may drive the rollout. */
const LOOK_AGAIN = 500;
const HISTORY = 50;
const MAX_HISTORY = 200;

export interface AppRoutesDependencies {
  readonly apps: AppStore;
  readonly hosts: HostStore;
  readonly catalog: Pick<Catalog, 'manifests'>;
  readonly deployments: Deployments;
  readonly secretsKey: SecretsKey;
  readonly signals: FleetSignals;
}

const APP_PARAMETER = { app: 'Name of the app, with %2F for its slashes' } as const;
const TIMEOUT = optional(
  integer({ minimum: 1, maximum: 24 * 60 * 60, description: 'Seconds that each host has; 300 unless given' }),
);
const COMPOSE = schema(
  { noun: 'a Compose file as an object', plural: 'Compose files' },
  { type: 'object', description: 'A Compose file after interpolation', writeOnly: true },
  (value) => (typeof value === 'object' && value !== null ? value : undefined),
);
const NEW_RELEASE = object(
  {
    compose: COMPOSE,
    on: optional(record(text(), { description: 'Labels that hosts of the app have' })),
    follow: optional(boolean({ description: 'Whether a moved tag makes a release' })),
    dryRun: optional(boolean({ description: 'Answers the plan, and changes nothing' })),
    timeout: TIMEOUT,
  },
  { title: 'NewRelease' },
);
const DEPLOYED = object({ release: nullable(integer()), plan: PLAN }, { title: 'Deployed' });
const MADE = object({ release: integer({ description: 'Number of the new release' }) });
const REFUSALS = {
  409: 'Somebody else changed the app at the same time, or an image is gone',
  422: 'The app cannot be deployed: `detail.problems` has paths in the Compose file, and sentences',
} as const;

/** Apps, their releases and rollouts. */
export function appRoutes(dependencies: AppRoutesDependencies): readonly Route[] {
  const { apps, deployments, hosts } = dependencies;
  return [
    route({
      method: 'GET',
      path: '/apps',
      id: 'listApps',
      summary: 'The apps that the client may see',
      access: EVERYBODY,
      area: 'any',
      answer: object({ apps: list(APP) }),
      async handle({ ctx }) {
        const seen = (await apps.list()).filter(({ name }) => mayOn(ctx, name, 'pull'));
        return { apps: await Promise.all(seen.map((app) => shown(apps, app))) };
      },
    }),
    route({
      method: 'GET',
      path: '/apps/{app}',
      id: 'showApp',
      summary: 'An app',
      access: APP_READERS,
      area: 'any',
      params: APP_PARAMETER,
      answer: APP,
      errors: { 404: 'There is no such app' },
      handle: async ({ ctx }) => shown(apps, await found(apps, ctx)),
    }),
    route({
      method: 'DELETE',
      path: '/apps/{app}',
      id: 'removeApp',
      summary: 'Remove an app',
      description: 'Its instances stop on all hosts, its history and secrets go. Volumes stay.',
      access: APP_MAINTAINERS,
      area: 'any',
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
      area: 'any',
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
        const { images, hosts: planned } = await deployments.plan(request);
        const plan = { images: shownImages(images), hosts: planned };
        if (body.dryRun === true) return { release: null, plan };
        return { release: (await deployments.deploy(request)).number, plan };
      },
    }),
    route({
      method: 'GET',
      path: '/apps/{app}/releases',
      id: 'listReleases',
      summary: 'The history of an app, newest first',
      access: APP_READERS,
      area: 'any',
      params: APP_PARAMETER,
      query: {
        limit: limitParameter(HISTORY, MAX_HISTORY),
        before: optional(text({ description: 'Only releases with lower numbers' })),
      },
      answer: object({ releases: list(RELEASE) }),
      errors: { 404: 'There is no such app' },
      async handle({ ctx, query: { before, limit = HISTORY } }) {
        const { name } = await found(apps, ctx);
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
      area: 'any',
      params: APP_PARAMETER,
      answer: object({ instances: list(INSTANCE) }),
      errors: { 404: 'There is no such app' },
      async handle({ ctx }) {
        const { name } = await found(apps, ctx);
        return { instances: (await hosts.list()).flatMap((host) => instancesOn(host, name)) };
      },
    }),
    route({
      method: 'GET',
      path: '/apps/{app}/rollout',
      id: 'showRollout',
      summary: 'How the last rollout of an app fares',
      description: 'With `after` the answer waits until it would be another one.',
      access: APP_READERS,
      area: 'any',
      params: APP_PARAMETER,
      query: {
        after: optional(text({ description: 'The revision of the answer before' })),
        wait: optional(text({ description: `Seconds to wait, at most ${MAX_WAIT}` })),
      },
      answer: ROLLOUT,
      errors: { 404: 'There is no such app, or it has no rollout' },
      handle: ({ ctx, query: { after, wait } }) =>
        rolloutAfter(dependencies, ctx, after, wait === undefined ? 0 : numberOf('wait', wait)),
    }),
    ...changeRoutes(dependencies),
    ...secretRoutes(dependencies),
    runningRoute(dependencies),
  ];
}

function changeRoutes({ apps, deployments }: AppRoutesDependencies): readonly Route[] {
  const terms = (ctx: RequestContext, timeout: number | undefined) => ({
    by: byOf(ctx),
    ...(timeout !== undefined && { timeout: timeout * 1000 }),
  });
  return [
    route({
      method: 'POST',
      path: '/apps/{app}/rollback',
      id: 'rollBack',
      summary: 'Make a release with the content of an older one',
      description: 'An app that follows its tags is held until somebody lets it follow again.',
      access: APP_WRITERS,
      area: 'any',
      params: APP_PARAMETER,
      body: object({ to: optional(integer({ minimum: 1 })), timeout: TIMEOUT }, { title: 'Rollback' }),
      answer: MADE,
      status: 201,
      errors: { 404: 'There is no such app or release', ...REFUSALS },
      handle: async ({ ctx, body }) => ({
        release: (await deployments.rollback(appOf(ctx), body.to, terms(ctx, body.timeout))).number,
      }),
    }),
    route({
      method: 'POST',
      path: '/apps/{app}/restart',
      id: 'restartApp',
      summary: 'Replace all instances of a service, or of all services',
      access: APP_WRITERS,
      area: 'any',
      params: APP_PARAMETER,
      body: object({ service: optional(text()), timeout: TIMEOUT }, { title: 'Restart' }),
      answer: MADE,
      status: 201,
      errors: { 404: 'There is no such app or service', ...REFUSALS },
      handle: async ({ ctx, body }) => ({
        release: (await deployments.restart(appOf(ctx), body.service, terms(ctx, body.timeout))).number,
      }),
    }),
    route({
      method: 'POST',
      path: '/apps/{app}/scale',
      id: 'scaleService',
      summary: 'Change how many instances a service has in all',
      access: APP_WRITERS,
      area: 'any',
      params: APP_PARAMETER,
      body: object(
        { service: text(), replicas: integer({ minimum: 0, maximum: 10_000 }), timeout: TIMEOUT },
        { title: 'Scale' },
      ),
      answer: MADE,
      status: 201,
      errors: { 404: 'There is no such app or service', ...REFUSALS },
      async handle({ ctx, body: { replicas, service, timeout } }) {
        const made = await deployments.scale(appOf(ctx), service, replicas, terms(ctx, timeout));
        return { release: made.number };
      },
    }),
    route({
      method: 'POST',
      path: '/apps/{app}/follow',
      id: 'followTags',
      summary: 'Have moved tags make releases, or no longer',
      access: APP_WRITERS,
      area: 'any',
      params: APP_PARAMETER,
      body: object({ follow: optional(boolean({ default: true })) }, { title: 'Follow' }),
      answer: APP,
      errors: { 404: 'There is no such app' },
      async handle({ ctx, body: { follow = true } }) {
        const { name } = await found(apps, ctx);
        await apps.change(name, { follow: follow ? 'following' : 'off' });
        if (follow) await deployments.followTags(name, { by: byOf(ctx) });
        return shown(apps, await found(apps, ctx));
      },
    }),
  ];
}

const SECRET = object(
  { name: text(), version: integer(), createdAt: timestamp(), createdBy: text() },
  { title: 'AppSecret' },
);
const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,99}$/;

function secretRoutes({ apps, deployments, secretsKey }: AppRoutesDependencies): readonly Route[] {
  const params = { ...APP_PARAMETER, name: 'Name of the secret' };
  return [
    route({
      method: 'GET',
      path: '/apps/{app}/secrets',
      id: 'listAppSecrets',
      summary: 'Names and versions of the secrets of an app; never their values',
      access: APP_READERS,
      area: 'any',
      params: APP_PARAMETER,
      answer: object({ secrets: list(SECRET) }),
      async handle({ ctx }) {
        const secrets = await apps.secrets(appOf(ctx));
        return {
          secrets: secrets.map(({ createdAt, createdBy, name, version }) => ({
            name,
            version,
            createdAt: createdAt.toISOString(),
            createdBy,
          })),
        };
      },
    }),
    route({
      method: 'PUT',
      path: '/apps/{app}/secrets/{name}',
      id: 'setAppSecret',
      summary: 'Set a secret',
      description: 'If the latest release of the app uses it, a release brings it to the hosts.',
      access: APP_MAINTAINERS,
      area: 'any',
      params,
      body: object(
        { value: text({ format: 'byte', description: 'In base64', writeOnly: true }) },
        { title: 'SecretValue' },
      ),
      bodyLimit: 2 * MAX_SECRET,
      answer: object({ version: integer(), release: nullable(integer()) }),
      errors: REFUSALS,
      async handle({ ctx, params: { name }, body }) {
        const app = appOf(ctx);
        if (!SECRET_NAME.test(name)) {
          throw new SettingInvalidError(
            'a secret is named by letters, digits and _ . -, such as DB_PASSWORD',
          );
        }
        const sealed = await secretsKey.seal(secretOf(body.value));
        const by = byOf(ctx);
        const version = await apps.setSecret(app, { name, sealed, createdAt: new Date(), createdBy: by });
        const release = await deployments.useSecret(app, name, version, { by });
        return { version, release: release?.number ?? null };
      },
    }),
    route({
      method: 'DELETE',
      path: '/apps/{app}/secrets/{name}',
      id: 'removeAppSecret',
      summary: 'Remove a secret with all of its versions',
      access: APP_MAINTAINERS,
      area: 'any',
      params,
      errors: { 404: 'There is no such secret' },
      async handle({ ctx, params: { name } }) {
        const app = appOf(ctx);
        if (!(await apps.removeSecret(app, name)))
          throw new EntryUnknownError(`${app} has no secret ${name}`);
      },
    }),
  ];
}

const RUNNING = object(
  {
    app: text(),
    release: integer(),
    service: text(),
    repository: text(),
    digest: text(),
    hosts: list(text(), { description: 'Names of the hosts that run it now' }),
    kept: boolean({ description: 'True: no host shall run it; it is kept for a rollback' }),
  },
  { title: 'RunningImage' },
);

function runningRoute({ apps, catalog, hosts }: AppRoutesDependencies): Route {
  return route({
    method: 'GET',
    path: '/running',
    id: 'listRunning',
    summary: 'Which apps and hosts run an image',
    description: 'By `digest`, or by `repository` and `tag`. Shows the apps that the client may see.',
    access: EVERYBODY,
    area: 'any',
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

async function rolloutAfter(
  { apps, hosts, signals }: AppRoutesDependencies,
  ctx: RequestContext,
  after: string | undefined,
  seconds: number,
) {
  const { name } = await found(apps, ctx);
  const end = performance.now() + Math.min(seconds, MAX_WAIT) * 1000;
  for (;;) {
    const stored = await apps.findRollout(name);
    if (stored === undefined) throw new EntryUnknownError(`${name} has no rollout`);
    const release = await apps.findRelease(name, stored.release);
    const view = shownRollout(stored.state as Rollout, release, await hosts.list(), Date.now());
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

async function removeApp({ apps, hosts, signals }: AppRoutesDependencies, app: string): Promise<void> {
  if (!(await apps.remove(app))) throw new EntryUnknownError(`there is no app named ${app}`);
  const changes: { host: string; set: []; remove: string[] }[] = [];
  for (const { id } of await hosts.list()) {
    const target = await hosts.target(id);
    if (target.apps.some((one) => one.app === app)) changes.push({ host: id, set: [], remove: [app] });
  }
  if (changes.length === 0) return;
  await hosts.setTargets(changes);
  signals.targetsChanged(changes.map(({ host }) => host));
}

async function found(apps: AppStore, ctx: RequestContext): Promise<App> {
  const name = appOf(ctx);
  const app = await apps.find(name);
  if (app === undefined) throw new AppError('unknown', `there is no app named ${name}`);
  return app;
}

async function shown(apps: AppStore, app: App) {
  const latest: Release | undefined = await apps.findRelease(app.name, app.latest);
  return shownApp(app, latest);
}

function constraintsOf(labels: Readonly<Record<string, string>>) {
  return Object.entries(parseLabels(labels)).map(([key, value]) => ({ key, operator: '==' as const, value }));
}

function numberOf(name: string, value: string): number {
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw new SettingInvalidError(`"${name}" must be a number`);
}

function secretOf(value: string): Buffer {
  const secret = Buffer.from(value, 'base64');
  if (secret.length === 0 || secret.toString('base64').replace(/=+$/, '') !== value.replace(/=+$/, '')) {
    throw new SettingInvalidError('"value" must be base64 of at least one byte');
  }
  if (secret.length > MAX_SECRET) throw new SettingInvalidError(`a secret has at most ${MAX_SECRET} bytes`);
  return secret;
}
