import type { ProcessIdentity } from '../../lib/linux/process/proc.ts';
import type { DnsMember } from './dns/name-directory.ts';
import type { ActiveEndpoint, EndpointSettings, PublishedPort } from './network.ts';
import type { NetworkedContainer } from './networked-container.ts';
import { type ContainerLink, parseLink } from './plan/links.ts';
import { gatewayEndpoint } from './plan/place-container.ts';
import type { PortTarget } from './plan/ruleset.ts';

/** A container that runs, or is being started, in networks of this agent. */
export interface Sandbox {
  readonly id: string;
  name: string;
  container: NetworkedContainer;
  endpoints: readonly ActiveEndpoint[];
  ports: readonly PublishedPort[];
  /** The names by which others find it, by network ID. */
  readonly names: Map<string, readonly string[]>;
  /** Names for others that only this container has, by network ID. */
  readonly links: Map<string, readonly ContainerLink[]>;
  /** Settles when the pending work for it has ended, successfully or not. */
  opening: Promise<unknown>;
  /** Whether events were published for its endpoints; only then their end is published. */
  connected: boolean;
  /** Its first process, if it has been running since before this agent. */
  readonly adopted?: ProcessIdentity;
}

/** Returns the names of a container in a network: its own, its aliases, and its short ID. */
export function dnsNames(
  container: Pick<NetworkedContainer, 'id' | 'name' | 'config'>,
  aliases: readonly string[] | null,
): readonly string[] {
  return [
    ...new Set([container.name, ...(aliases ?? []), container.id.slice(0, 12), container.config.Hostname]),
  ].filter((name) => name !== '');
}

/** Returns names for others in a network that only this container has. */
export function ownLinks(settings: EndpointSettings | undefined): readonly ContainerLink[] {
  return (settings?.links ?? []).map(parseLink);
}

/**
 * Describes a container for the resolvers. `isNamed` reports whether containers of a network resolve each other's
 * names.
 */
export function dnsMember(sandbox: Sandbox, isNamed: (network: string) => boolean): DnsMember {
  return {
    id: sandbox.id,
    places: sandbox.endpoints.map(({ network, ipv4, ipv6 }) => ({
      network,
      isNamed: isNamed(network.id),
      isReady: sandbox.container.networks[network.name]?.isWaiting !== true,
      addresses: [ipv4, ipv6].flatMap((text) => (text === '' ? [] : [text.split('/')[0] ?? ''])),
      names: sandbox.names.get(network.id) ?? [],
      links: sandbox.links.get(network.id) ?? [],
    })),
    servers: sandbox.container.hostConfig.Dns,
    hasWayOut: sandbox.endpoints.some(({ gateway4, gateway6 }) => gateway4 + gateway6 !== ''),
  };
}

/**
 * Returns the targets of a container's published ports: for the packet filter, and for the relays that handle all other
 * connections.
 */
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
