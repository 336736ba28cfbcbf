import type { ActiveEndpoint, PublishedPort } from './network.ts';
import { gatewayEndpoint } from './plan/place-container.ts';
import type { PortTarget } from './plan/ruleset.ts';

/** Where a container's ports lead: by the packet filter, and by the relays for all that it does not lead. */
export function publishedTargets(
  endpoints: readonly ActiveEndpoint[],
  ports: readonly PublishedPort[],
): { readonly relay: string | undefined; readonly targets: readonly PortTarget[] } {
  const v4 = bare(gatewayEndpoint(endpoints, 4)?.ipv4);
  const v6 = bare(gatewayEndpoint(endpoints, 6)?.ipv6);
  return {
    relay: v4 ?? v6,
    targets: ports.flatMap((port) => {
      const address = port.hostIp.includes(':') ? v6 : v4;
      return address === undefined ? [] : [{ ...port, address }];
    }),
  };
}

function bare(prefixed: string | undefined): string | undefined {
  const address = prefixed?.split('/')[0];
  return address === '' ? undefined : address;
}
