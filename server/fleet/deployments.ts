import { AppError, type AppStore, type NewRelease } from '../../fleet/app-store.ts';
import { secretsOf } from '../../fleet/app-target.ts';
import { ComposeError, type ComposeProblem } from '../../fleet/compose/compose-error.ts';
import { readApp } from '../../fleet/compose/read-app.ts';
import { describeConstraint } from '../../fleet/constraints.ts';
import type { HostStore } from '../../fleet/host-store.ts';
import { place } from '../../fleet/placement.ts';
import type { App, Cause, Release } from '../../fleet/release.ts';
import { type Rollout, startRollout } from '../../fleet/rollout.ts';
import type { LabelConstraint, PinnedImage } from '../../fleet/service.ts';
import { KeyedLock } from '../../lib/sync/semaphore.ts';
import { formatTraceparent, tracer } from '../../lib/tracing/trace.ts';
import type { FleetSignals } from './fleet-signals.ts';
import { readHostUses } from './host-uses.ts';
import { type PinStores, pinImages } from './pin-images.ts';
import {
  FAILED,
  HALFWAY,
  haveFailed,
  MOST_LOOKED_AT,
  owesJobs,
  presentSecrets,
  refuseUnknownService,
  unchanged,
  unsetSecret,
} from './release-content.ts';
import { type Change, type ChangeTerms, type Placed, type Plan, planRelease } from './release-plan.ts';
import { placementHosts, rolloutHosts } from './seen-hosts.ts';

/** Default timeout of a host for a release, ms. */
export const USUAL_TIMEOUT = 5 * 60 * 1000;
/** Maximum attempts to create a release when others create one meanwhile. */
const MAX_TRIES = 5;
/** Label that a restart adds to the instances that it replaces. */
const RESTARTED = 'io.berth.restarted';

export interface DeploymentsOptions {
  readonly apps: AppStore;
  readonly hosts: HostStore;
  readonly stores: PinStores;
  readonly signals: FleetSignals;
  readonly now?: () => number;
}

export interface DeployRequest extends ChangeTerms {
  readonly app: string;
  /** A Compose file after interpolation. */
  readonly compose: unknown;
  /** If absent, as before. */
  readonly on?: readonly LabelConstraint[];
  /** If absent, as before. */
  readonly follow?: boolean;
  readonly ownNames: readonly string[];
  readonly mayPull: (repository: string) => boolean;
}

/** The basis of a change of one part of an app. */
interface Base {
  readonly found: App;
  readonly base: Release;
  /** Whether the jobs of the release still have to run. */
  readonly jobs: boolean;
}

/**
 * Creates releases: makes all checks before anything changes, then records the release together with its rollout, which
 * RolloutDriver carries out.
 */
export class Deployments {
  readonly #options: DeploymentsOptions;
  /** Releases are placed and recorded one at a time, so that each sees the resources that the previous one takes. */
  readonly #turns = new KeyedLock();

  constructor(options: DeploymentsOptions) {
    this.#options = options;
  }

  /** Creates a release, unless `dryRun`, and returns its changes on each host. Throws ComposeError, AppError. */
  async deploy(
    request: DeployRequest,
    { dryRun }: { readonly dryRun: boolean },
  ): Promise<{ readonly plan: Plan; readonly release?: Release }> {
    const change = await this.#readDeploy(request);
    if (dryRun) return { plan: await planRelease(this.#options.apps, change, await this.#place(change)) };
    let placed: Placed | undefined;
    const release = await this.#release(change, (last) => {
      placed = last;
    });
    const plan =
      placed === undefined
        ? { hosts: [], images: change.images }
        : await planRelease(this.#options.apps, change, placed);
    return { plan, release };
  }

  /**
   * Makes a new release with the content of an older one: release `to`, or by default the newest that was healthy
   * before the current one. An app that followed its tags stops following. Throws ComposeError, AppError.
   */
  async rollback(app: string, to: number | undefined, terms: ChangeTerms): Promise<Release> {
    const found = await this.#find(app);
    const target = await this.#olderRelease(found, to);
    return this.#release({
      ...terms,
      ...unchanged(target),
      app,
      found,
      cause: { kind: 'rollback', by: terms.by, to: target.number },
      ...(found.follow === 'following' && { follow: 'held' as const }),
      atOnce: true,
      proven: target.state === 'done',
    });
  }

  /** Replaces all instances of a service, or of all services. Throws ComposeError, AppError. */
  async restart(app: string, service: string | undefined, terms: ChangeTerms): Promise<Release> {
    const { found, base, jobs } = await this.#base(app);
    refuseUnknownService(base.spec, service);
    const number = String(found.latest + 1);
    const services = base.spec.services.map((spec) =>
      (service ?? spec.name) === spec.name
        ? { ...spec, labels: { ...spec.labels, [RESTARTED]: number } }
        : spec,
    );
    const cause: Cause = { kind: 'restart', by: terms.by, ...(service !== undefined && { service }) };
    const spec = { ...base.spec, services };
    return this.#release({ ...terms, ...unchanged(base), app, found, cause, spec, jobs });
  }

  /** Changes the total number of instances of a service. Throws ComposeError, AppError. */
  async scale(app: string, service: string, replicas: number, terms: ChangeTerms): Promise<Release> {
    const { found, base, jobs } = await this.#base(app);
    refuseUnknownService(base.spec, service);
    const services = base.spec.services.map((spec) => (spec.name === service ? { ...spec, replicas } : spec));
    const cause: Cause = { kind: 'scale', by: terms.by, service, replicas };
    const spec = { ...base.spec, services };
    return this.#release({ ...terms, ...unchanged(base), app, found, cause, spec, jobs });
  }

  /**
   * Rolls out a new version of a secret to the services that use it; returns undefined when none does. The version is
   * already stored, so concurrent deployments are taken as the basis. Throws ComposeError, AppError.
   */
  async useSecret(
    app: string,
    name: string,
    version: number,
    terms: ChangeTerms,
  ): Promise<Release | undefined> {
    if ((await this.#options.apps.find(app)) === undefined) return undefined;
    for (let tries = 1; ; tries += 1) {
      const { found, base, jobs } = await this.#base(app);
      if (!base.spec.services.some((spec) => secretsOf(spec).includes(name))) return undefined;
      if ((base.secrets[name] ?? 0) >= version) return base;
      const secrets = { ...base.secrets, [name]: version };
      const cause: Cause = { kind: 'secret', by: terms.by, secret: name };
      try {
        return await this.#release({ ...terms, ...unchanged(base), app, found, cause, secrets, jobs });
      } catch (error) {
        const isOutdated = error instanceof AppError && error.code === 'changed';
        if (!isOutdated || tries >= MAX_TRIES) throw error;
      }
    }
  }

  /**
   * Creates a release with the current images of an app's tags; returns undefined when nothing has changed since the
   * latest one, or since one that failed with these images. Throws ComposeError, AppError.
   */
  async followTags(
    app: string,
    pushed: { readonly by: string; readonly tag?: string },
  ): Promise<Release | undefined> {
    const found = await this.#options.apps.find(app);
    if (found?.follow !== 'following') return undefined;
    const latest = await this.#options.apps.findRelease(app, found.latest);
    if (latest === undefined) return undefined;
    const images: Record<string, PinnedImage> = { ...latest.images };
    let cause: Cause | undefined;
    for (const [service, image] of Object.entries(latest.images)) {
      const { repository, tag, registry } = image;
      if (registry !== undefined || tag === undefined) continue;
      const record = await this.#options.stores.catalog.manifests.find(repository, { tag });
      if (record === undefined || record.blob.digest === image.digest) continue;
      images[service] = { ...image, digest: record.blob.digest };
      cause ??= { kind: 'push', by: pushed.by, repository, tag };
    }
    if (cause === undefined || (await haveFailed(this.#options.apps, app, images))) return undefined;
    return this.#release({ ...unchanged(latest), app, found, by: pushed.by, images, cause, jobs: true });
  }

  async #readDeploy({
    app,
    compose,
    on,
    follow,
    ownNames,
    mayPull,
    ...terms
  }: DeployRequest): Promise<Change> {
    const spec = readApp(compose);
    const { pins, problems } = await pinImages(this.#options.stores, { spec, ownNames, mayPull });
    const stored = await this.#options.apps.secrets(app);
    const secrets = Object.fromEntries(stored.map(({ name, version }) => [name, version]));
    const missing = spec.secrets.filter((name) => !Object.hasOwn(secrets, name));
    const unset = missing.map((name) => unsetSecret(app, name));
    if (problems.length + unset.length > 0) throw new ComposeError([...problems, ...unset]);
    return {
      ...terms,
      app,
      found: await this.#options.apps.find(app),
      spec,
      images: Object.fromEntries([...pins].map(([service, { image }]) => [service, image])),
      platforms: new Map([...pins].map(([service, { platforms }]) => [service, platforms])),
      secrets: Object.fromEntries(spec.secrets.map((name) => [name, secrets[name] ?? 0])),
      cause: { kind: 'deploy', by: terms.by },
      ...(on !== undefined && { on }),
      ...(follow !== undefined && { follow: follow ? ('following' as const) : ('off' as const) }),
      jobs: true,
      atOnce: false,
    };
  }

  async #place({ app, found, on = found?.on ?? [], platforms, spec }: Change): Promise<Placed> {
    const { apps, hosts: store } = this.#options;
    const hosts = await store.list();
    const before = found?.current === undefined ? [] : await apps.placements(app);
    const uses = await readHostUses(apps);
    const seen = placementHosts(hosts, uses.of(app), this.#now());
    const { placements, problems } = place({ spec, platforms, hosts: seen, on, before });
    const all: ComposeProblem[] = problems.map(({ service, key, message }) => ({
      path: [...(service === undefined ? [] : ['services', service]), ...(key === undefined ? [] : [key])],
      message,
    }));
    const online = seen.filter((host) => host.online && placements.some((one) => one.host === host.id));
    if (all.length === 0 && online.length === 0) {
      const wanted = on.map(describeConstraint).join(' and ');
      const message = `none of its hosts${wanted === '' ? '' : ` (${wanted})`} is online: see "berth host ls"`;
      all.push({ path: [], message });
    }
    if (all.length > 0) throw new ComposeError(all);
    return { placements, before, hosts, latest: uses.latest };
  }

  /** Places a release and creates it; `onPlaced` receives the placement. */
  async #release(change: Change, onPlaced: (placed: Placed) => void = () => {}): Promise<Release> {
    return this.#turns.run('release', async () => {
      for (let tries = 1; ; tries += 1) {
        const placed = await this.#place(change);
        onPlaced(placed);
        try {
          return await this.#record(change, placed);
        } catch (error) {
          const isOutdated = error instanceof AppError && error.code === 'others-changed';
          if (!isOutdated || tries >= MAX_TRIES) throw error;
        }
      }
    });
  }

  async #record(change: Change, { placements, before, hosts, latest }: Placed): Promise<Release> {
    const { apps, signals } = this.#options;
    const { app, atOnce, cause, found, images, jobs, proven, spec, timeout = USUAL_TIMEOUT } = change;
    const secrets = await presentSecrets(apps, change);
    const now = this.#now();
    const release: NewRelease = { app, spec, images, secrets, cause, createdAt: new Date(now) };
    const terms = {
      ...(change.on !== undefined && { on: change.on }),
      ...(change.follow !== undefined && { follow: change.follow }),
    };
    const span = tracer()?.begin();
    const begin = (number: number, last: unknown): Rollout =>
      startRollout({
        app,
        release: number,
        ...(found?.current !== undefined && { current: found.current }),
        kind: 'release',
        placements,
        currentPlacements: before,
        timeout,
        spec,
        hosts: rolloutHosts(hosts, app, now),
        // Hosts may still report about an app of this name that was removed.
        lastAttempt: (last as Rollout | undefined)?.attempt ?? now,
        jobs,
        atOnce,
        ...(proven === true && { proven }),
        ...(span?.sampled && { trace: { parent: formatTraceparent(span), since: now } }),
        now,
      });
    const made = await apps.createRelease(release, terms, found?.latest ?? 0, begin, latest);
    signals.appsChanged([app]);
    return made;
  }

  async #find(app: string): Promise<App> {
    const found = await this.#options.apps.find(app);
    if (found === undefined) throw new AppError('unknown', `there is no app named ${app}`);
    return found;
  }

  /** Returns the basis of a change: the latest release, or the current one when that failed. */
  async #base(app: string): Promise<Base> {
    const { apps } = this.#options;
    const found = await this.#find(app);
    const latest = await apps.findRelease(app, found.latest);
    if (latest === undefined) throw new AppError('unknown', `${app} has no release ${found.latest}`);
    const hasFailed = FAILED.has(latest.state) && found.current !== undefined;
    const current = hasFailed ? await apps.findRelease(app, found.current) : undefined;
    if (current !== undefined) return { found, base: current, jobs: false };
    return { found, base: latest, jobs: await owesJobs(apps, latest) };
  }

  async #olderRelease({ current, latest, name }: App, to: number | undefined): Promise<Release> {
    const { apps } = this.#options;
    if (to !== undefined) {
      const release = await apps.findRelease(name, to);
      if (release !== undefined) return release;
      throw new AppError('unknown', `${name} has no release ${to}: see "berth history ${name}"`);
    }
    const newest = await apps.findRelease(name, latest);
    // A rollout that is in progress, or was paused, is undone first.
    if (current !== undefined && newest !== undefined && newest.number !== current) {
      const release = HALFWAY.has(newest.state) ? await apps.findRelease(name, current) : undefined;
      if (release !== undefined) return release;
    }
    for (const release of await apps.releases(name, MOST_LOOKED_AT, current)) {
      if (release.state === 'done') return release;
    }
    throw new AppError('unknown', `${name} has no older release that was healthy`);
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now();
  }
}
