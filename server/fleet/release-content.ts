import { AppError, type AppStore } from '../../fleet/app-store.ts';
import { serviceHash } from '../../fleet/app-target.ts';
import { ComposeError, type ComposeProblem } from '../../fleet/compose/compose-error.ts';
import type { Release, ReleaseState } from '../../fleet/release.ts';
import type { Rollout } from '../../fleet/rollout.ts';
import type { AppSpec, PinnedImage } from '../../fleet/service.ts';

/** Maximum releases that are examined. */
export const MOST_LOOKED_AT = 100;

/** States of releases that hosts no longer run. */
export const FAILED: ReadonlySet<ReleaseState> = new Set([
  'rolling back',
  'rolled back',
  'rollback failed',
  'failed',
]);

/** States of releases that some hosts may run: a rollback leads to the previous one. */
export const HALFWAY: ReadonlySet<ReleaseState> = new Set([
  'rolling',
  'paused',
  'rolling back',
  'rollback failed',
]);

/** Reports whether the jobs of a release still have to run or to end. */
export async function owesJobs(
  apps: Pick<AppStore, 'findRollout'>,
  { app, number, state }: Release,
): Promise<boolean> {
  if (state === 'done') return false;
  const stored = await apps.findRollout(app);
  if (stored?.release !== number) return false;
  const { jobHost, reached } = stored.state as Rollout;
  return jobHost !== undefined && !reached.includes(jobHost);
}

/** Returns the problem of a secret without a value. */
export function unsetSecret(app: string, name: string): ComposeProblem {
  return {
    path: ['secrets', name],
    message: `it has no value: set it by "berth secret set ${app} ${name} < FILE"`,
  };
}

/** Returns the fields of a release with the same content. */
export function unchanged({ images, secrets, spec }: Release) {
  return { images, secrets, spec, platforms: new Map<string, undefined>(), jobs: false, atOnce: false };
}

/** Returns the hash of a service of a release; undefined when it has no such service. */
export function hashOf(
  { images, secrets, spec }: Pick<Release, 'images' | 'secrets' | 'spec'>,
  service: string,
): string | undefined {
  const found = spec.services.find(({ name }) => name === service);
  const image = images[service];
  return found && image && serviceHash({ secrets, spec }, found, image);
}

/** Throws AppError. */
export function refuseUnknownService({ services }: AppSpec, service: string | undefined): void {
  if (service === undefined || services.some(({ name }) => name === service)) return;
  const known = services.map(({ name }) => name).join(', ');
  throw new AppError('unknown', `there is no service ${service}: the app has ${known}`);
}

/** Reports whether the last release with exactly these images failed. */
export async function haveFailed(
  apps: Pick<AppStore, 'releases'>,
  app: string,
  images: Readonly<Record<string, PinnedImage>>,
): Promise<boolean> {
  const services = Object.entries(images);
  const tried = (await apps.releases(app, MOST_LOOKED_AT)).find(
    (release) =>
      Object.keys(release.images).length === services.length &&
      services.every(([service, { digest }]) => release.images[service]?.digest === digest),
  );
  return tried !== undefined && FAILED.has(tried.state);
}

/**
 * Returns the versions of a release's secrets, with the newest instead of a removed one. Throws ComposeError when there
 * is none.
 */
export async function presentSecrets(
  apps: Pick<AppStore, 'secretVersions'>,
  { app, secrets }: Pick<Release, 'app' | 'secrets'>,
): Promise<Readonly<Record<string, number>>> {
  const names = Object.keys(secrets);
  if (names.length === 0) return secrets;
  const versions = Map.groupBy(await apps.secretVersions(app), ({ name }) => name);
  const missing = names.filter((name) => !versions.has(name));
  if (missing.length > 0) throw new ComposeError(missing.map((name) => unsetSecret(app, name)));
  return Object.fromEntries(
    Object.entries(secrets).map(([name, wanted]) => {
      const there = (versions.get(name) ?? []).map(({ version }) => version);
      return [name, there.includes(wanted) ? wanted : Math.max(...there)];
    }),
  );
}
