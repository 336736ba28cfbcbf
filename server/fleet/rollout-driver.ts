import type { Logger } from 'pino';
import { AppError, type AppStore, KEPT_RELEASES, type StoredRollout } from '../../fleet/app-store.ts';
import { appTarget, imagesOn, secretsOf } from '../../fleet/app-target.ts';
import type { ReportedHost } from '../../fleet/host.ts';
import type { HostStore, TargetChange } from '../../fleet/host-store.ts';
import { place } from '../../fleet/placement.ts';
import type { App, Placement, Release } from '../../fleet/release.ts';
import { advance, hasEnded, type Intent, intentOf, type Rollout, startRollout } from '../../fleet/rollout.ts';
import { type AppSpec, isJob, type PinnedImage } from '../../fleet/service.ts';
import type { AppTarget, SealedSecret } from '../../fleet/target.ts';
import { type SecretsKey, SecretsKeyError } from '../../storage/fleet/secrets-key.ts';
import { USUAL_TIMEOUT } from './deployments.ts';
import type { FleetSignals } from './fleet-signals.ts';
import { placementHosts, rolloutHosts } from './seen-hosts.ts';

/** Time between two looks at the rollouts when nothing says that something changed, ms. */
const LOOK = 1000;
/** Time between two looks at the hosts of all apps, ms. */
const SETTLE = 10_000;
/** Time after which instances that could not move are tried again, ms. */
const AGAIN = 5 * 60 * 1000;
/** Shortest time between two looks: reports of many hosts come together, ms. */
const PAUSE = 20;

/** The end of a rollout. */
export interface EndedRollout {
  readonly app: App;
  readonly release: Release;
}

export interface RolloutDriverOptions {
  readonly apps: AppStore;
  readonly hosts: HostStore;
  readonly secretsKey: SecretsKey;
  readonly signals: FleetSignals;
  readonly log: Logger;
  /** Whether this registry is the one that drives. Absent: it is the only one. */
  readonly duty?: { take(): Promise<boolean>; drop(): Promise<void> };
  /** Called after a release has ended. */
  readonly onEnd: (ended: EndedRollout) => Promise<void>;
}

/**
 * Carries out rollouts: sets the targets of hosts to what each rollout says, and takes it a step further when hosts have
 * reported. Each step is saved before its targets are set, and targets are a function of the step, so a driver that
 * starts after another one was killed sets the same targets and goes on.
 */
export class RolloutDriver {
  readonly #options: RolloutDriverOptions;
  /** What the target of a host has of an app, by host and app, since this registry drives. */
  readonly #told = new Map<string, string>();
  readonly #changed = new Set<string>();
  /** Hosts that another registry held connect anew. */
  #listeningSince = 0;
  #wake: (() => void) | undefined;

  constructor(options: RolloutDriverOptions) {
    this.#options = options;
  }

  /** Drives until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { duty, log, signals } = this.#options;
    const stop = signals.onApps((apps) => {
      for (const app of apps) this.#changed.add(app);
      this.#wake?.();
    });
    signal.addEventListener('abort', () => this.#wake?.(), { once: true });
    let settled = 0;
    try {
      while (!signal.aborted) {
        try {
          if (await (duty?.take() ?? true)) {
            if (this.#listeningSince === 0) this.#listeningSince = Date.now();
            const all = performance.now() - settled >= SETTLE;
            await this.#look(all, signal);
            if (all) settled = performance.now();
          } else {
            this.#told.clear();
            this.#listeningSince = 0;
          }
        } catch (error) {
          if (!signal.aborted) log.error({ err: error }, 'the rollouts could not be looked at');
          this.#told.clear();
        }
        await this.#pause(signal);
      }
    } finally {
      stop();
      await duty?.drop().catch(() => {});
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => setTimeout(resolve, PAUSE));
    if (signal.aborted || this.#changed.size > 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LOOK);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  /** Takes all rollouts as far as they go; `all`: looks at the hosts of the apps that have none as well. */
  async #look(all: boolean, signal: AbortSignal): Promise<void> {
    const { apps, hosts: store } = this.#options;
    this.#changed.clear();
    const rollouts = await apps.rollouts();
    const going = rollouts.filter(({ state }) => !hasEnded(state as Rollout));
    if (going.length === 0 && !all) return;
    const hosts = await store.list();
    for (const stored of all ? rollouts : going) {
      signal.throwIfAborted();
      try {
        const last = await this.#drive(stored, hosts);
        if (all && hasEnded(last)) await this.#settle(last, hosts);
      } catch (error) {
        if (signal.aborted) return;
        this.#told.clear();
        // Somebody deployed, or removed the app: the next look has what there is now.
        if (error instanceof AppError && error.code === 'changed') continue;
        this.#options.log.error(
          { err: error, app: stored.app },
          'a rollout could not be driven: it is tried again',
        );
      }
    }
  }

  /** Sets targets and advances until the hosts must say something. */
  async #drive(stored: StoredRollout, hosts: readonly ReportedHost[]): Promise<Rollout> {
    const { apps } = this.#options;
    let { revision } = stored;
    let rollout = stored.state as Rollout;
    for (;;) {
      const next = await this.#advance(rollout, revision, hosts);
      if (next === rollout) break;
      revision += 1;
      await apps.saveRollout({ app: next.app, release: next.release, state: next, revision });
      rollout = next;
      if (next.kind === 'release' && next.phase === 'rolling back') {
        await apps.setReleaseState(next.app, next.release, 'rolling back', next.reason);
      }
    }
    if (hasEnded(rollout)) await this.#end(rollout, revision);
    return rollout;
  }

  async #advance(rollout: Rollout, revision: number, hosts: readonly ReportedHost[]): Promise<Rollout> {
    try {
      await this.#setTargets(rollout, revision, hosts);
    } catch (error) {
      if (!(error instanceof SecretsKeyError) || hasEnded(rollout)) throw error;
      return {
        ...rollout,
        phase: rollout.current === undefined ? 'failed' : 'paused',
        reason: error.message,
      };
    }
    return advance(rollout, rolloutHosts(hosts, rollout.app), Date.now(), this.#listeningSince);
  }

  /** Records the end of a rollout; nothing when it is recorded. */
  async #end(
    { app: name, kind, phase, placements, reason, release: number }: Rollout,
    revision: number,
  ): Promise<void> {
    const { apps, log, onEnd } = this.#options;
    if (kind === 'moving') {
      if (phase === 'done') await apps.setPlacements(name, placements);
      return;
    }
    const release = await apps.findRelease(name, number);
    if (release === undefined || release.endedAt !== undefined) return;
    const end = {
      state: phase,
      ...(reason !== undefined && { reason }),
      at: new Date(),
      revision,
      ...(phase === 'done' && { placements }),
    };
    if (!(await apps.endRelease(name, number, end))) return;
    const app = await apps.find(name);
    const ended = await apps.findRelease(name, number);
    log.info(
      { app: name, release: number, state: phase, ...(reason !== undefined && { reason }) },
      'release ended',
    );
    if (app !== undefined && ended !== undefined) await onEnd({ app, release: ended });
  }

  /**
   * Brings the current release of an app that has no rollout under way to hosts that joined or got other labels, and takes
   * it off those that may not have it any more.
   */
  async #settle(last: Rollout, hosts: readonly ReportedHost[]): Promise<void> {
    const { apps, log } = this.#options;
    const app = await apps.find(last.app);
    const stuck = last.kind === 'release' && (last.phase === 'paused' || last.phase === 'rollback failed');
    if (app?.current === undefined || stuck) return;
    const release = await apps.findRelease(app.name, app.current);
    if (release === undefined) return;
    const before = await apps.placements(app.name);
    const now = Date.now();
    const { placements, problems } = place({
      spec: release.spec,
      platforms: new Map(),
      hosts: placementHosts(hosts, new Map(), now),
      on: app.on,
      before,
    });
    const same = (others: readonly Placement[]) => samePlacements(release.spec, placements, others);
    if (problems.length > 0 || same(before)) return;
    if (
      last.kind === 'moving' &&
      last.phase === 'paused' &&
      same(last.placements) &&
      now - last.since < AGAIN
    ) {
      return;
    }
    const stored = await apps.findRollout(app.name);
    if (stored === undefined || !hasEnded(stored.state as Rollout)) return;
    const rollout = startRollout({
      app: app.name,
      release: release.number,
      current: release.number,
      kind: 'moving',
      placements,
      currentPlacements: before,
      timeout: USUAL_TIMEOUT,
      spec: release.spec,
      hosts: rolloutHosts(hosts, app.name),
      lastAttempt: (stored.state as Rollout).attempt,
      jobs: false,
      atOnce: true,
      now,
    });
    log.info({ app: app.name, release: release.number }, 'the hosts of the app changed; instances move');
    const moving = { app: app.name, release: release.number, state: rollout, revision: stored.revision + 1 };
    await apps.saveRollout(moving);
    await this.#drive(moving, hosts);
  }

  async #setTargets(rollout: Rollout, revision: number, hosts: readonly ReportedHost[]): Promise<void> {
    const { hosts: store, signals } = this.#options;
    const changes: TargetChange[] = [];
    const keys: [string, string][] = [];
    for (const id of new Set(rollout.waves.flat())) {
      const host = hosts.find((one) => one.id === id);
      if (host === undefined) continue;
      const intent = intentOf(rollout, id);
      const text = JSON.stringify([rollout.release, rollout.attempt, intent]);
      const key = `${id} ${rollout.app}`;
      if (this.#told.get(key) === text) continue;
      const change = await this.#changeOf(rollout, host, intent);
      if (change !== undefined) changes.push(change);
      keys.push([key, text]);
    }
    if (changes.length > 0) {
      if (!(await store.setTargets(changes, { app: rollout.app, revision }))) {
        throw new AppError('changed', `${rollout.app} has another rollout by now`);
      }
      signals.targetsChanged(changes.map(({ host }) => host));
    }
    for (const [key, text] of keys) this.#told.set(key, text);
  }

  /** What has to change of the target of a host; undefined if it is as it shall be. */
  async #changeOf(rollout: Rollout, host: ReportedHost, intent: Intent): Promise<TargetChange | undefined> {
    const { apps, hosts: store } = this.#options;
    const { app } = rollout;
    const stored = await store.appTarget(host.id, app);
    if (intent.kind === 'nothing') {
      return stored === undefined ? undefined : { host: host.id, set: [], remove: [app] };
    }
    if (intent.kind === 'keep') {
      if (stored === undefined) return undefined;
      const release = intent.prefetch ? await apps.findRelease(app, rollout.release) : undefined;
      const prefetch = release === undefined ? [] : imagesOn(release, rollout.placements, host.id);
      if (sameImages(stored.prefetch, prefetch)) return undefined;
      return { host: host.id, set: [{ ...stored, prefetch }], remove: [] };
    }
    const { attempt, jobs, proven, release: number } = intent;
    if (stored?.release.number === number && stored.attempt === attempt && stored.prefetch.length === 0) {
      return undefined;
    }
    const release = await apps.findRelease(app, number);
    if (release === undefined) return undefined;
    const placements = number === rollout.release ? rollout.placements : rollout.currentPlacements;
    const target: AppTarget | undefined = appTarget(release, placements, host.id, {
      attempt,
      jobs,
      ...(proven === true && { proven }),
      timeout: rollout.timeout,
      prefetch: [],
      keep: await this.#keptImages(app, number, rollout, host.id),
      secrets: await this.#secretsFor(release, host),
    });
    if (target !== undefined) return { host: host.id, set: [target], remove: [] };
    return stored === undefined ? undefined : { host: host.id, set: [], remove: [app] };
  }

  /** Images of the releases before, which a rollback needs at once. */
  async #keptImages(
    app: string,
    number: number,
    { placements, currentPlacements }: Rollout,
    host: string,
  ): Promise<readonly PinnedImage[]> {
    const images = new Map<string, PinnedImage>();
    const done = (await this.#options.apps.releases(app, 4 * KEPT_RELEASES))
      .filter((release) => release.number !== number && release.state === 'done')
      .slice(0, KEPT_RELEASES);
    for (const release of done) {
      for (const image of imagesOn(release, [...placements, ...currentPlacements], host)) {
        images.set(`${image.registry ?? ''}/${image.repository}@${image.digest}`, image);
      }
    }
    return [...images.values()];
  }

  /** Each is sealed anew for the host. Throws SecretsKeyError. */
  async #secretsFor({ app, secrets, spec }: Release, host: ReportedHost): Promise<readonly SealedSecret[]> {
    const { apps, secretsKey } = this.#options;
    const names = new Set(spec.services.flatMap(secretsOf));
    const sealed: SealedSecret[] = [];
    for (const name of names) {
      const version = secrets[name] ?? 0;
      const stored = await apps.findSecret(app, name, version);
      if (stored === undefined) continue;
      sealed.push({ name, version, sealed: await secretsKey.passOn(stored.sealed, host.recipient) });
    }
    return sealed;
  }
}

/** Jobs are over, wherever they ran. */
function samePlacements(spec: AppSpec, one: readonly Placement[], other: readonly Placement[]): boolean {
  const text = (list: readonly Placement[]) =>
    list
      .filter(({ service }) => !isJob(spec, service))
      .map(({ host, instances, service }) => `${service} ${host} ${instances.join()}`)
      .sort()
      .join('\n');
  return text(one) === text(other);
}

function sameImages(one: readonly PinnedImage[], other: readonly PinnedImage[]): boolean {
  const digests = (images: readonly PinnedImage[]) => images.map(({ digest }) => digest).join();
  return digests(one) === digests(other);
}
