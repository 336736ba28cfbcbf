import type { PlacementHost } from '../../fleet/eligibility.ts';
import { hostState, type ReportedHost } from '../../fleet/host.ts';
import type { RolloutHost } from '../../fleet/rollout.ts';

/** Ports and routes of a host that other apps use, with those apps. */
export type HostUse = Pick<PlacementHost, 'ports' | 'routes'>;

/** Returns the hosts in the form that a placement needs; `uses` by host. */
export function placementHosts(
  hosts: readonly ReportedHost[],
  uses: ReadonlyMap<string, HostUse>,
  now: number,
): readonly PlacementHost[] {
  return hosts.map((host) => {
    return {
      ...host,
      online: isOnline(host, now),
      ports: new Map<string, string>(),
      ...uses.get(host.id),
    };
  });
}

/** Returns the hosts in the form that a rollout of an app needs. */
export function rolloutHosts(
  hosts: readonly ReportedHost[],
  app: string,
  now: number,
): readonly RolloutHost[] {
  return hosts.map((host) => {
    const { id, name, reports, seenAt } = host;
    const report = reports.find((one) => one.app === app);
    return {
      id,
      name,
      online: isOnline(host, now),
      ...(seenAt !== undefined && { seenAt: seenAt.getTime() }),
      ...(report !== undefined && { report }),
    };
  });
}

/** Reports whether a host is online. A registry that was killed has not recorded that its hosts disconnected. */
function isOnline(host: ReportedHost, now: number): boolean {
  const state = hostState(host, now);
  return state === 'online' || state === 'draining';
}
