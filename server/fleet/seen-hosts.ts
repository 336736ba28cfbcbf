import type { PlacementHost } from '../../fleet/eligibility.ts';
import { hostState, type ReportedHost } from '../../fleet/host.ts';
import type { RolloutHost } from '../../fleet/rollout.ts';

/** Ports and routes of a host that other apps have, and which ones. */
export type HostUse = Pick<PlacementHost, 'ports' | 'routes'>;

/** The hosts as a placement sees them; `uses` by host. */
export function placementHosts(
  hosts: readonly ReportedHost[],
  uses: ReadonlyMap<string, HostUse>,
  now: number,
): readonly PlacementHost[] {
  return hosts.map((host) => {
    const state = hostState(host, now);
    return {
      ...host,
      online: state === 'online' || state === 'draining',
      ports: new Map<string, string>(),
      ...uses.get(host.id),
    };
  });
}

/** The hosts as a rollout of an app sees them. */
export function rolloutHosts(hosts: readonly ReportedHost[], app: string): readonly RolloutHost[] {
  return hosts.map(({ connected, id, name, reports, seenAt }) => {
    const report = reports.find((one) => one.app === app);
    return {
      id,
      name,
      online: connected,
      ...(seenAt !== undefined && { seenAt: seenAt.getTime() }),
      ...(report !== undefined && { report }),
    };
  });
}
