import { AppError, type AppStore, KEPT_RELEASES } from '../../fleet/app-store.ts';
import { appTarget, imagesOn, secretsOf } from '../../fleet/app-target.ts';
import type { ReportedHost } from '../../fleet/host.ts';
import type { HostStore, TargetChange } from '../../fleet/host-store.ts';
import type { App, Release } from '../../fleet/release.ts';
import { type Intent, intentOf, type Rollout } from '../../fleet/rollout.ts';
import type { PinnedImage } from '../../fleet/service.ts';
import type { AppTarget, SealedSecret } from '../../fleet/target.ts';
import type { SecretsKey } from '../../storage/fleet/secrets-key.ts';
import type { FleetSignals } from './fleet-signals.ts';

export interface RolloutTargetsOptions {
  readonly apps: AppStore;
  readonly hosts: HostStore;
  readonly secretsKey: SecretsKey;
  readonly signals: FleetSignals;
}

/** Sets the targets of hosts by rollouts, with few statements however many hosts there are. */
export class RolloutTargets {
  readonly #options: RolloutTargetsOptions;
  /** Hashes of the apps in hosts' targets, by app and host, since this registry has been driving. */
  readonly #told = new Map<string, Map<string, string>>();

  constructor(options: RolloutTargetsOptions) {
    this.#options = options;
  }

  /** Forgets all targets, because another registry may have set them. */
  forget(): void {
    this.#told.clear();
  }

  /** Forgets all apps except these. */
  keepOnly(apps: ReadonlySet<string>): void {
    for (const app of this.#told.keys()) if (!apps.has(app)) this.#told.delete(app);
  }

  /** Throws AppError 'changed' when the rollout has another revision by now, SecretsKeyError. */
  async set(rollout: Rollout, revision: number, hosts: readonly ReportedHost[]): Promise<void> {
    const { app } = rollout;
    const told = this.#told.get(app) ?? new Map<string, string>();
    this.#told.set(app, told);
    const known = new Map(hosts.map((host) => [host.id, host]));
    const wanted = [...new Set(rollout.waves.flat())].flatMap((id) => {
      const host = known.get(id);
      const intent = intentOf(rollout, id);
      const text = JSON.stringify([rollout.release, rollout.attempt, intent]);
      return host === undefined || told.get(id) === text ? [] : [{ host, intent, text }];
    });
    if (wanted.length === 0) return;
    const { apps, hosts: store, signals } = this.#options;
    const ids = wanted.map(({ host }) => host.id);
    const stored = await store.appTargets(app, ids);
    const reads = new AppReads(apps, app);
    const changes: TargetChange[] = [];
    for (const { host, intent } of wanted) {
      const change = await this.#changeOf(rollout, reads, host, intent, stored.get(host.id));
      if (change !== undefined) changes.push(change);
    }
    if (changes.length > 0) {
      if (!(await store.setTargets(changes, { app, revision }))) {
        throw new AppError('changed', `${app} has another rollout by now`);
      }
      signals.targetsChanged(changes.map(({ host }) => host));
    }
    for (const { host, text } of wanted) told.set(host.id, text);
  }

  /** Returns the change of a host's target; undefined if there is none. */
  async #changeOf(
    rollout: Rollout,
    reads: AppReads,
    host: ReportedHost,
    intent: Intent,
    stored: AppTarget | undefined,
  ): Promise<TargetChange | undefined> {
    const { app } = rollout;
    if (intent.kind === 'nothing') {
      return stored === undefined ? undefined : { host: host.id, set: [], remove: [app] };
    }
    if (intent.kind === 'keep') {
      if (stored === undefined) return undefined;
      const release = intent.prefetch ? await reads.release(rollout.release) : undefined;
      const prefetch = release === undefined ? [] : imagesOn(release, rollout.placements, host.id);
      if (sameImages(stored.prefetch, prefetch)) return undefined;
      return { host: host.id, set: [{ ...stored, prefetch }], remove: [] };
    }
    const { attempt, jobs, proven, release: number } = intent;
    if (stored?.release.number === number && stored.attempt === attempt && stored.prefetch.length === 0) {
      return undefined;
    }
    const release = await reads.release(number);
    const found = await reads.app();
    if (release === undefined || found === undefined) return undefined;
    const placements = number === rollout.release ? rollout.placements : rollout.currentPlacements;
    const target: AppTarget | undefined = appTarget(release, placements, host.id, {
      attempt,
      jobs,
      ...(proven === true && { proven }),
      appCreatedAt: found.createdAt,
      timeout: rollout.timeout,
      prefetch: [],
      keep: keptImages(await reads.healthyReleases(), number, rollout, host.id),
      secrets: await this.#secretsFor(release, reads, host),
    });
    const trace = rollout.trace && { trace: rollout.trace.parent };
    if (target !== undefined) return { host: host.id, set: [{ ...target, ...trace }], remove: [] };
    return stored === undefined ? undefined : { host: host.id, set: [], remove: [app] };
  }

  /** Encrypts each secret to the host. Throws SecretsKeyError. */
  async #secretsFor(
    { secrets, spec }: Release,
    reads: AppReads,
    host: ReportedHost,
  ): Promise<readonly SealedSecret[]> {
    const names = new Set(spec.services.flatMap(secretsOf));
    const sealed: SealedSecret[] = [];
    for (const name of names) {
      const version = secrets[name] ?? 0;
      const secret = await reads.sealedSecret(name, version);
      if (secret === undefined) continue;
      sealed.push({ name, version, sealed: await this.#options.secretsKey.passOn(secret, host.recipient) });
    }
    return sealed;
  }
}

/** Reads each fact about an app once, for all hosts. */
class AppReads {
  readonly #apps: AppStore;
  readonly #name: string;
  readonly #releases = new Map<number, Promise<Release | undefined>>();
  readonly #secrets = new Map<string, Promise<string | undefined>>();
  #app: Promise<App | undefined> | undefined;
  #healthy: Promise<readonly Release[]> | undefined;

  constructor(apps: AppStore, name: string) {
    this.#apps = apps;
    this.#name = name;
  }

  app(): Promise<App | undefined> {
    this.#app ??= this.#apps.find(this.#name);
    return this.#app;
  }

  release(number: number): Promise<Release | undefined> {
    return once(this.#releases, number, () => this.#apps.findRelease(this.#name, number));
  }

  /** The newest first. */
  healthyReleases(): Promise<readonly Release[]> {
    this.#healthy ??= this.#apps
      .releases(this.#name, 4 * KEPT_RELEASES)
      .then((releases) => releases.filter(({ state }) => state === 'done'));
    return this.#healthy;
  }

  /** Sealed for the key of the registry. */
  sealedSecret(name: string, version: number): Promise<string | undefined> {
    const find = () => this.#apps.findSecret(this.#name, name, version);
    return once(this.#secrets, `${name} ${version}`, async () => (await find())?.sealed);
  }
}

function once<Key, Value>(
  known: Map<Key, Promise<Value>>,
  key: Key,
  read: () => Promise<Value>,
): Promise<Value> {
  const found = known.get(key) ?? read();
  known.set(key, found);
  return found;
}

/** Returns the images of previous releases, which a rollback needs at once. */
function keptImages(
  healthy: readonly Release[],
  number: number,
  { placements, currentPlacements }: Rollout,
  host: string,
): readonly PinnedImage[] {
  const images = new Map<string, PinnedImage>();
  for (const release of healthy.filter((one) => one.number !== number).slice(0, KEPT_RELEASES)) {
    for (const image of imagesOn(release, [...placements, ...currentPlacements], host)) {
      images.set(`${image.registry ?? ''}/${image.repository}@${image.digest}`, image);
    }
  }
  return [...images.values()];
}

function sameImages(one: readonly PinnedImage[], other: readonly PinnedImage[]): boolean {
  const digests = (images: readonly PinnedImage[]) => images.map(({ digest }) => digest).join();
  return digests(one) === digests(other);
}
