import { parseCompose } from '../../fleet/compose/parse-compose.ts';
import { readApp } from '../../fleet/compose/read-app.ts';
import type { PlacementHost } from '../../fleet/eligibility.ts';
import type { Placement } from '../../fleet/release.ts';
import type { AppSpec } from '../../fleet/service.ts';

/** What an app is, from the text of a Compose file that reads no other file. */
export async function appOf(text: string): Promise<AppSpec> {
  const { document } = await parseCompose(text, { environment: {}, readFile: async () => undefined });
  // As it arrives at the registry.
  return readApp(JSON.parse(JSON.stringify(document)));
}

/** An online host that allows nothing and runs no other app. */
export function candidate(name: string, change: Partial<PlacementHost> = {}): PlacementHost {
  return {
    id: `id-${name}`,
    name,
    labels: {},
    draining: false,
    facts: { platform: 'linux/amd64', allows: [], ingress: true },
    online: true,
    ports: new Map(),
    ...change,
  };
}

/** Placements as `web: a[1] b[2]`, one line a service. */
export function describePlacements(placements: readonly Placement[]): string {
  const services = Map.groupBy(placements, ({ service }) => service);
  return [...services]
    .map(([service, list]) => {
      const hosts = list.map(({ host, instances }) => `${host.replace('id-', '')}[${instances.join(' ')}]`);
      return `${service}: ${hosts.join(' ')}`;
    })
    .join('\n');
}
