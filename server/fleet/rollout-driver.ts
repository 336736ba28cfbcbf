import type { Logger } from 'pino';
import { advance } from '../../fleet/advance-rollout.ts';
import { AppError, type StoredRollout } from '../../fleet/app-store.ts';
import type { ReportedHost } from '../../fleet/host.ts';
import { place } from '../../fleet/placement.ts';
import type { App, Placement, Release } from '../../fleet/release.ts';
import { hasEnded, type Rollout, startRollout } from '../../fleet/rollout.ts';
import { type AppSpec, isJob } from '../../fleet/service.ts';
import { parseTraceparent, tracer } from '../../lib/tracing/trace.ts';
import { SecretsKeyError } from '../../storage/fleet/secrets-key.ts';
import { USUAL_TIMEOUT } from './deployments.ts';
import { type HostUses, readHostUses } from './host-uses.ts';
import { RolloutTargets, type RolloutTargetsOptions } from './rollout-targets.ts';
import { placementHosts, rolloutHosts } from './seen-hosts.ts';

/** Poll interval of the rollouts without a notification, ms. */
const LOOK = 1000;
/** Milliseconds between checks of the hosts of all apps. */
const SETTLE = 10_000;
/** Milliseconds after which instances that could not move are tried again. */
const AGAIN = 5 * 60 * 1000;
/** Minimum milliseconds between two passes: reports of many hosts arrive together. */
const PAUSE = 20;

/** The end of a rollout. */
export interface EndedRollout {
  readonly app: App;
  readonly release: Release;
}

export interface RolloutDriverOptions extends RolloutTargetsOptions {
  readonly log: Logger;
  /** Whether this registry drives; if absent, it is the only one. */
  readonly duty?: { take(): Promise<boolean>; drop(): Promise<void> };
  /** Called after a release has ended. */
  readonly onEnd: (ended: EndedRollout) => Promise<void>;
}

/** An app without a rollout in progress. */
interface Settled {
  readonly app: App;
  readonly current: Release;
  readonly uses: HostUses;
  /** Without reports. */
  readonly hosts: readonly ReportedHost[];
}

/**
 * Carries out rollouts: sets the targets of hosts by the state of each rollout, and advances it when hosts have
 * reported. Each step is saved before its targets are set, and targets are a function of the step, so a driver that
 * takes over from a killed one sets the same targets and continues.
 */
export class RolloutDriver {
  readonly #options: RolloutDriverOptions;
  readonly #targets: RolloutTargets;
  readonly #changed = new Set<string>();
  /** When listening started; hosts of another registry reconnect. */
  #listeningSince = 0;
  #wake: (() => void) | undefined;

  constructor(options: RolloutDriverOptions) {
    this.#options = options;
    this.#targets = new RolloutTargets(options);
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
            await this.#look(signal);
            if (performance.now() - settled >= SETTLE) {
              await this.#settleAll(signal);
              settled = performance.now();
            }
          } else this.#forget();
        } catch (error) {
          if (!signal.aborted) log.error({ err: error }, 'the rollouts could not be read');
          this.#forget();
        }
        await this.#pause(signal);
      }
    } finally {
      stop();
      await duty?.drop().catch(() => {});
    }
  }

  /**
   * Forgets everything: another registry may drive meanwhile, and without the database nothing is known about hosts.
   */
  #forget(): void {
    this.#targets.forget();
    this.#listeningSince = 0;
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

  /** Advances all rollouts as far as possible. */
  async #look(signal: AbortSignal): Promise<void> {
    const { apps, hosts: store } = this.#options;
    this.#changed.clear();
    const going = await apps.rollouts({ going: true });
    if (going.length === 0) return;
    const hosts = await store.list(going.map(({ app }) => app));
    for (const stored of going) {
      await this.#unlessChanged(stored.app, signal, () => this.#drive(stored, hosts));
    }
  }

  /** Checks the hosts of all apps without a rollout in progress. */
  async #settleAll(signal: AbortSignal): Promise<void> {
    const { apps, hosts: store } = this.#options;
    const rollouts = await apps.rollouts();
    this.#targets.keepOnly(new Set(rollouts.map(({ app }) => app)));
    const ended = rollouts.filter(({ state }) => hasEnded(state as Rollout));
    if (ended.length === 0) return;
    const hosts = await store.list([]);
    const uses = await readHostUses(apps);
    for (const { app, current } of uses.apps) {
      const stored = ended.find((one) => one.app === app.name);
      if (stored === undefined || current === undefined) continue;
      await this.#unlessChanged(app.name, signal, () => this.#settle(stored, { app, current, uses, hosts }));
    }
  }

  /** Runs work on an app. A failure affects only this app, and is retried at the next pass. */
  async #unlessChanged(app: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    signal.throwIfAborted();
    try {
      await work();
    } catch (err) {
      if (signal.aborted) return;
      this.#targets.forget();
      // A concurrent deployment or removal: the next pass sees its result.
      if (err instanceof AppError && err.code === 'changed') return;
      this.#options.log.error({ err, app }, 'a rollout could not be advanced; it will be tried again');
    }
  }

  /** Sets targets and advances until it must wait for the hosts. */
  async #drive(stored: StoredRollout, hosts: readonly ReportedHost[]): Promise<void> {
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
  }

  async #advance(rollout: Rollout, revision: number, hosts: readonly ReportedHost[]): Promise<Rollout> {
    try {
      await this.#targets.set(rollout, revision, hosts);
    } catch (error) {
      if (!(error instanceof SecretsKeyError)) throw error;
      // Hosts keep their targets; only the end is recorded.
      if (hasEnded(rollout)) return rollout;
      return {
        ...rollout,
        phase: rollout.current === undefined ? 'failed' : 'paused',
        reason: error.message,
      };
    }
    const now = Date.now();
    return advance(rollout, rolloutHosts(hosts, rollout.app, now), now, this.#listeningSince);
  }

  /** Records the end of a rollout, unless it is recorded already. */
  async #end(rollout: Rollout, revision: number): Promise<void> {
    const { app: name, kind, phase, placements, reason, release: number } = rollout;
    const { apps, log, onEnd } = this.#options;
    if (kind === 'moving') {
      await apps.endMove(name, { revision, ...(phase === 'done' && { placements }) });
      return;
    }
    const end = {
      state: phase,
      ...(reason !== undefined && { reason }),
      at: new Date(),
      revision,
      ...(phase === 'done' && { placements }),
    };
    if (!(await apps.endRelease(name, number, end))) return;
    recordRollout(rollout);
    const app = await apps.find(name);
    const ended = await apps.findRelease(name, number);
    log.info(
      { app: name, release: number, state: phase, ...(reason !== undefined && { reason }) },
      'release ended',
    );
    if (app !== undefined && ended !== undefined) await onEnd({ app, release: ended });
  }

  /**
   * Puts the current release of an app without a rollout in progress on hosts that joined or got other labels, and
   * removes it from those that may no longer have it.
   */
  async #settle(stored: StoredRollout, { app, current: release, uses, hosts }: Settled): Promise<void> {
    const { apps, hosts: store, log } = this.#options;
    const last = stored.state as Rollout;
    if (last.kind === 'release' && (last.phase === 'paused' || last.phase === 'rollback failed')) return;
    const before = uses.placementsOf(app.name);
    const now = Date.now();
    const { placements, problems } = place({
      spec: release.spec,
      platforms: new Map(),
      hosts: placementHosts(hosts, uses.of(app.name), now),
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
    const reported = await store.list([app.name]);
    const rollout = startRollout({
      app: app.name,
      release: release.number,
      current: release.number,
      kind: 'moving',
      placements,
      currentPlacements: before,
      timeout: USUAL_TIMEOUT,
      spec: release.spec,
      hosts: rolloutHosts(reported, app.name, now),
      lastAttempt: last.attempt,
      jobs: false,
      atOnce: true,
      now,
    });
    log.info({ app: app.name, release: release.number }, 'the hosts of the app changed: instances will move');
    const moving = { app: app.name, release: release.number, state: rollout, revision: stored.revision + 1 };
    await apps.saveRollout(moving);
    await this.#drive(moving, reported);
  }
}

/** Records the span of a rollout, in which those of the hosts are. */
function recordRollout({ app, kind, phase, release, trace }: Rollout): void {
  const context = parseTraceparent(trace?.parent);
  if (trace === undefined || context === undefined) return;
  tracer()?.recordAs(context, {
    name: 'rollout',
    kind: 'internal',
    start: trace.since,
    end: Date.now(),
    attributes: { 'berth.app': app, 'berth.release': release, 'berth.rollout': kind, 'berth.state': phase },
    ...(phase !== 'done' && { error: phase }),
  });
}

/** Jobs are over, regardless of their hosts. */
function samePlacements(spec: AppSpec, one: readonly Placement[], other: readonly Placement[]): boolean {
  const text = (list: readonly Placement[]) =>
    list
      .filter(({ service }) => !isJob(spec, service))
      .map(({ host, instances, service }) => `${service} ${host} ${instances.join()}`)
      .sort()
      .join('\n');
  return text(one) === text(other);
}
