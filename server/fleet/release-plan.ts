import type { AppStore, LatestReleases } from '../../fleet/app-store.ts';
import type { ReportedHost } from '../../fleet/host.ts';
import type { App, Cause, Placement } from '../../fleet/release.ts';
import type { AppSpec, LabelConstraint, PinnedImage } from '../../fleet/service.ts';
import { hashOf } from './release-content.ts';

/** Who changes an app, and the timeout of each host. */
export interface ChangeTerms {
  readonly by: string;
  /** Milliseconds; USUAL_TIMEOUT by default. */
  readonly timeout?: number;
}

/** The changes of a release on a host. */
export interface PlannedHost {
  readonly host: string;
  readonly services: readonly {
    readonly service: string;
    readonly instances: number;
    readonly change: 'start' | 'replace' | 'keep' | 'stop';
  }[];
}

export interface Plan {
  readonly hosts: readonly PlannedHost[];
  readonly images: Readonly<Record<string, PinnedImage>>;
}

/** The parts of a release that a change of an app determines. */
export interface Change extends ChangeTerms {
  readonly app: string;
  readonly found: App | undefined;
  readonly spec: AppSpec;
  readonly images: Readonly<Record<string, PinnedImage>>;
  readonly platforms: ReadonlyMap<string, readonly string[] | undefined>;
  readonly secrets: Readonly<Record<string, number>>;
  readonly cause: Cause;
  readonly on?: readonly LabelConstraint[];
  readonly follow?: App['follow'];
  /** Whether the jobs of the release run. */
  readonly jobs: boolean;
  readonly atOnce: boolean;
  /** Whether a release of the same content was healthy. */
  readonly proven?: boolean;
}

/** The placement of a change's instances. */
export interface Placed {
  readonly placements: readonly Placement[];
  readonly before: readonly Placement[];
  readonly hosts: readonly ReportedHost[];
  /** The releases whose use of hosts is known. */
  readonly latest: LatestReleases;
}

/** Returns the changes on each host. */
export async function planRelease(
  apps: Pick<AppStore, 'findRelease'>,
  change: Change,
  { placements, before, hosts }: Placed,
): Promise<Plan> {
  const { found, images, secrets, spec } = change;
  const current =
    found?.current === undefined ? undefined : await apps.findRelease(found.name, found.current);
  const names = new Map(hosts.map(({ id, name }) => [id, name]));
  const ids = new Set([...placements, ...before].map(({ host }) => host));
  const planned = [...ids].map((id): PlannedHost => {
    const of = (list: readonly Placement[], service: string) =>
      list.find((one) => one.host === id && one.service === service)?.instances.length ?? 0;
    const services = new Set(
      [...placements, ...before].filter((one) => one.host === id).map((one) => one.service),
    );
    return {
      host: names.get(id) ?? id,
      services: [...services].map((service) => {
        const hash = hashOf({ spec, images, secrets }, service);
        const same = current !== undefined && hash !== undefined && hash === hashOf(current, service);
        const [now, then] = [of(before, service), of(placements, service)];
        const kept = same ? 'keep' : 'replace';
        return { service, instances: then, change: then === 0 ? 'stop' : now === 0 ? 'start' : kept };
      }),
    };
  });
  return { hosts: planned.toSorted((a, b) => (a.host < b.host ? -1 : 1)), images };
}
