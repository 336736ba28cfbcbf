import { createHash } from 'node:crypto';
import type { Placement, Release } from './release.ts';
import { type AppSpec, isJob, type PinnedImage, type ServiceSpec } from './service.ts';
import type { AppTarget, ReleaseTarget, SealedSecret, ServiceTarget } from './target.ts';

/** The parts of an app's target other than its release. */
export interface TargetTerms extends Pick<AppTarget, 'attempt' | 'proven' | 'timeout' | 'prefetch' | 'keep'> {
  /** Secrets of the release, encrypted to this host. */
  readonly secrets: readonly SealedSecret[];
  /** Whether the jobs of the release run on this host: they run on one host, once. */
  readonly jobs: boolean;
  /**
   * Distinguishes the app from a removed one with the same name, of which a host may still have instances and secrets.
   */
  readonly appCreatedAt: Date;
}

/** Builds the target of an app for one host; undefined if the release runs nothing on that host. */
export function appTarget(
  release: Release,
  placements: readonly Placement[],
  host: string,
  { secrets, jobs, appCreatedAt, ...terms }: TargetTerms,
): AppTarget | undefined {
  const services = release.spec.services.flatMap((spec): readonly ServiceTarget[] => {
    const image = release.images[spec.name];
    const here = placements.find((one) => one.service === spec.name && one.host === host);
    const job = isJob(release.spec, spec.name);
    if (image === undefined || here === undefined || (job && !jobs)) return [];
    const hash = instanceHash(serviceHash(release, spec, image), appCreatedAt);
    return [{ spec, image, instances: here.instances, job, hash }];
  });
  if (services.length === 0) return undefined;
  return { app: release.app, release: releaseTarget(release, services, secrets), ...terms };
}

/** Includes only what these services use: a host gets no other data. */
function releaseTarget(
  { number, spec }: Release,
  services: readonly ServiceTarget[],
  secrets: readonly SealedSecret[],
): ReleaseTarget {
  const specs = services.map((service) => service.spec);
  const used = (names: readonly string[]) => {
    const set = new Set(names);
    return ({ name }: { readonly name: string }) => set.has(name);
  };
  const volumes = specs.flatMap(({ mounts }) =>
    mounts.flatMap((mount) => (mount.type === 'volume' && mount.volume !== undefined ? mount.volume : [])),
  );
  return {
    number,
    services,
    volumes: spec.volumes.filter(used(volumes)),
    networks: spec.networks.filter(used(specs.flatMap(({ networks }) => networks.map((use) => use.network)))),
    configs: spec.configs.filter(used(specs.flatMap(({ configs }) => configs.map(({ source }) => source)))),
    secrets: secrets.filter(used(specs.flatMap(secretsOf))),
  };
}

/** Returns the names of the secrets that a service uses, including its certificate. */
export function secretsOf({ secrets, route }: ServiceSpec): readonly string[] {
  const names = secrets.map(({ source }) => source);
  return route?.kind === 'http' && route.tls.kind === 'secret' ? [...names, route.tls.secret] : names;
}

/** Returns the images of a release that a host needs. */
export function imagesOn(
  { images, spec }: Pick<Release, 'images' | 'spec'>,
  placements: readonly Placement[],
  host: string,
): readonly PinnedImage[] {
  const here = new Set(placements.filter((one) => one.host === host).map(({ service }) => service));
  return spec.services.flatMap(({ name }) => {
    const image = images[name];
    return image === undefined || !here.has(name) ? [] : [image];
  });
}

/**
 * Hashes everything that defines an instance of a service. Fields that only affect its rollout (replicas, constraints,
 * update policy) and its tag are excluded: an instance with the same hash need not be replaced.
 */
export function serviceHash(
  { secrets, spec: app }: Pick<Release, 'secrets' | 'spec'>,
  spec: ServiceSpec,
  image: PinnedImage,
): string {
  const { replicas: _, constraints: __, update: ___, dependsOn: ____, image: _____, ...made } = spec;
  const contents = app.configs.filter(({ name }) => spec.configs.some(({ source }) => source === name));
  const parts = {
    made,
    image: image.digest,
    secrets: secretsOf(spec).map((name) => [name, secrets[name] ?? 0]),
    contents: contents.map(({ name, content }) => [name, content]),
    volumes: definitionsOf(app, spec),
  };
  return createHash('sha256')
    .update(JSON.stringify(sorted(parts)))
    .digest('hex')
    .slice(0, 32);
}

function instanceHash(service: string, appCreatedAt: Date): string {
  return createHash('sha256').update(`${service} ${appCreatedAt.getTime()}`).digest('hex').slice(0, 32);
}

function definitionsOf(app: AppSpec, { mounts, networks }: ServiceSpec): readonly unknown[] {
  const volumes = app.volumes.filter(({ name }) =>
    mounts.some((mount) => mount.type === 'volume' && mount.volume === name),
  );
  return [...volumes, ...app.networks.filter(({ name }) => networks.some((use) => use.network === name))];
}

/** Returns the same value with sorted keys, so that equal values have equal texts. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]));
}
