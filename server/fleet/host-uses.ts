import type { AppStore, LatestReleases } from '../../fleet/app-store.ts';
import { publishedPorts, routeOf } from '../../fleet/eligibility.ts';
import type { App, Placement, Release } from '../../fleet/release.ts';
import { hasEnded, type Rollout } from '../../fleet/rollout.ts';
import type { HostUse } from './seen-hosts.ts';

/** Ports, routes and volumes of hosts that apps use, and the releases that this covers. */
export interface HostUses {
  readonly latest: LatestReleases;
  /** All apps, and their current releases. */
  readonly apps: readonly { readonly app: App; readonly current?: Release }[];
  placementsOf(app: string): readonly Placement[];
  /** Returns, by host, what all apps except this one use. */
  of(app: string): ReadonlyMap<string, HostUse>;
}

type Placed = readonly [release: Pick<Release, 'app' | 'number'>, placements: readonly Placement[]];

const keyOf = (app: string, number: number) => `${app} ${number}`;

/** Reads the apps' uses, and those that rollouts in progress will add. Reads few rows of many apps at once. */
export async function readHostUses(apps: AppStore): Promise<HostUses> {
  // First, so that a release that is created from here on is not in it.
  const all = await apps.list();
  const current = await apps.allPlacements();
  const placed = all.flatMap(({ name, current: number }): readonly Placed[] => {
    return number === undefined ? [] : [[{ app: name, number }, current.get(name) ?? []]];
  });
  for (const { app, release, state } of await apps.rollouts()) {
    const rollout = state as Rollout;
    // A paused rollout leaves its instances on the hosts.
    if (hasEnded(rollout) && rollout.phase !== 'paused') continue;
    placed.push([{ app, number: release }, rollout.placements]);
  }
  const releases = new Map(
    (await apps.findReleases(placed.map(([key]) => key))).map((one) => [keyOf(one.app, one.number), one]),
  );
  return {
    latest: new Map(all.map(({ name, latest }) => [name, latest])),
    apps: all.map((app) => {
      const release = app.current === undefined ? undefined : releases.get(keyOf(app.name, app.current));
      return { app, ...(release !== undefined && { current: release }) };
    }),
    placementsOf: (app) => current.get(app) ?? [],
    of: (app) => {
      const uses = new Map<string, { ports: Map<string, string>; routes: Map<string, string> }>();
      for (const [{ app: other, number }, placements] of placed) {
        const spec = other === app ? undefined : releases.get(keyOf(other, number))?.spec;
        if (spec === undefined) continue;
        const services = new Map(spec.services.map((service) => [service.name, service]));
        for (const { host, service } of placements) {
          const found = services.get(service);
          if (found === undefined) continue;
          const use = uses.get(host) ?? { ports: new Map(), routes: new Map() };
          for (const port of publishedPorts(found)) use.ports.set(port, `the app ${other}`);
          const route = routeOf(found);
          if (route !== undefined) use.routes.set(route, `the app ${other}`);
          uses.set(host, use);
        }
      }
      return uses;
    },
  };
}
