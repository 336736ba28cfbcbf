import type { Link } from '../../../lib/linux/network/links.ts';
import { EngineError } from '../../errors.ts';
import type { ActiveEndpoint, EndpointSettings, Network } from '../network.ts';
import { bridgeOptions } from './bridge-options.ts';
import { contains, gatewayOf, macOf, parseAddress, parseBlock, parseMac, withPrefix } from './ip-address.ts';
import { parseLink } from './links.ts';

/** The parsed HostConfig.NetworkMode. */
export type NetworkMode =
  /** A separate namespace with endpoints in networks, the first of which is named. */
  | { readonly kind: 'networks'; readonly first: string }
  /** A namespace of the container's own, with nothing but loopback. */
  | { readonly kind: 'none' }
  | { readonly kind: 'host' }
  /** The namespace of another container, by ID or name. */
  | { readonly kind: 'container'; readonly container: string };

export function networkMode(mode: string): NetworkMode {
  if (mode === 'host' || mode === 'none') return { kind: mode };
  if (mode.startsWith('container:')) return { kind: 'container', container: mode.slice('container:'.length) };
  return { kind: 'networks', first: mode === '' || mode === 'default' ? 'bridge' : mode };
}

/**
 * Reports whether a link is the agent's bridge: by its alias, or, without an alias because the agent was killed before it
 * set one, by the MAC address that only this bridge has.
 */
export function isOwnBridge(
  link: Pick<Link, 'alias' | 'mac'>,
  bridge: Pick<BridgeSpec, 'alias' | 'mac'>,
): boolean {
  return link.alias === bridge.alias || (link.alias === '' && link.mac === bridge.mac);
}

/** The wanted state of a bridge. */
export interface BridgeSpec {
  readonly name: string;
  /** Marks in the kernel whose bridge it is: one with another alias is not the agent's. */
  readonly alias: string;
  readonly mac: string;
  readonly mtu: number;
  /** Its own addresses, such as `172.17.0.1/16`. */
  readonly addresses: readonly string[];
  readonly ipv6: boolean;
  /** Whether an existing foreign bridge is used, because a client named it. */
  readonly adopt: boolean;
}

/** The wanted state of a container's endpoint on a bridge. */
export interface EndpointSpec {
  readonly link: string;
  readonly bridge: string;
  readonly interface: string;
  readonly mac: string;
  readonly mtu: number;
  /** `172.17.0.2/16` */
  readonly addresses: readonly string[];
  readonly ipv6: boolean;
  /** Whether it cannot reach other containers of its network. */
  readonly isolated: boolean;
}

/** A container's default routes; an absent family has none. */
export interface Gateways {
  readonly ipv4?: Route;
  readonly ipv6?: Route;
}

export interface Route {
  readonly address: string;
  readonly interface: string;
}

/** Prefix of the alias of a bridge that an agent created; its network's ID follows. */
export const BRIDGE_ALIAS = 'berth:';

/** Returns the wanted state of a network's bridge. */
export function bridgeSpec(network: Network): BridgeSpec {
  const { mtu, name } = bridgeOptions(network.options);
  const subnets = network.subnets.filter(({ subnet }) => network.enableIpv6 || !subnet.includes(':'));
  return {
    name: network.bridge,
    alias: `${BRIDGE_ALIAS}${network.id}`,
    // Locally administered, and the same whenever the bridge is created again.
    mac: `02:42:${network.id.slice(0, 8).replace(/..(?=.)/g, '$&:')}`,
    mtu,
    addresses: subnets.map((subnet) => withPrefix(gatewayOf(subnet), subnet)),
    ipv6: network.enableIpv6,
    adopt: name !== undefined && !network.predefined,
  };
}

/** Returns the wanted state of a container's endpoint. */
export function endpointSpec(network: Network, endpoint: ActiveEndpoint): EndpointSpec {
  const { mtu, icc } = bridgeOptions(network.options);
  return {
    link: endpoint.link,
    bridge: network.bridge,
    interface: endpoint.interface,
    mac: endpoint.mac,
    mtu,
    addresses: [endpoint.ipv4, endpoint.ipv6].filter((address) => address !== ''),
    ipv6: endpoint.ipv6 !== '',
    isolated: !icc,
  };
}

/** Returns the name of the bridge's end of an endpoint's pair; it fits the kernel's limit of 15 bytes. */
export function linkName(endpointId: string): string {
  return `veth${endpointId.slice(0, 11)}`;
}

/** Returns the endpoint for addresses outside of all its networks: the first by name, as in Docker. */
export function gatewayEndpoint(
  endpoints: readonly ActiveEndpoint[],
  family: 4 | 6,
): ActiveEndpoint | undefined {
  return endpoints
    .filter((endpoint) => (family === 4 ? endpoint.gateway4 : endpoint.gateway6) !== '')
    .sort((a, b) => (a.network.name < b.network.name ? -1 : 1))[0];
}

/** Returns a container's default routes. */
export function planGateways(endpoints: readonly ActiveEndpoint[]): Gateways {
  const ipv4 = routeBy(gatewayEndpoint(endpoints, 4), 'gateway4');
  const ipv6 = routeBy(gatewayEndpoint(endpoints, 6), 'gateway6');
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) };
}

function routeBy(endpoint: ActiveEndpoint | undefined, gateway: 'gateway4' | 'gateway6'): Route | undefined {
  return endpoint === undefined ? undefined : { address: endpoint[gateway], interface: endpoint.interface };
}

/** Returns the lowest `ethN` that no endpoint has. */
export function nextInterface(endpoints: readonly ActiveEndpoint[]): string {
  for (let index = 0; ; index += 1) {
    const name = `eth${index}`;
    if (!endpoints.some((endpoint) => endpoint.interface === name)) return name;
  }
}

/** Returns the MAC address of an endpoint: the chosen one, or one derived from its IPv4 address. */
export function endpointMac(chosen: string, ipv4: string): string {
  return chosen === '' ? macOf(ipv4) : parseMac(chosen);
}

/**
 * Throws EngineError 'bad-request' if a container cannot have this place in a network, with every reason, as dockerd
 * does.
 */
export function checkEndpoint(network: Network, settings: EndpointSettings): void {
  const faults = [
    ...aliasFaults(network, settings),
    ...linkFaults(network, settings),
    ...addressFaults(network, settings),
  ];
  for (const link of settings.links ?? []) parseLink(link);
  if (settings.mac !== '') parseMac(settings.mac);
  if (faults.length === 0) return;
  const text = faults.length === 1 ? faults[0] : faults.map((fault) => `* ${fault}`).join('\n');
  throw new EngineError(
    'bad-request',
    `invalid config for network ${network.name}: invalid endpoint settings:\n${text}`,
  );
}

function aliasFaults(network: Network, { aliases }: EndpointSettings): readonly string[] {
  if (!network.predefined || (aliases ?? []).length === 0) return [];
  return ['network-scoped alias is supported only for containers in user defined networks'];
}

function linkFaults(network: Network, { links }: EndpointSettings): readonly string[] {
  if (!network.predefined || (links ?? []).length === 0) return [];
  return ['links of an endpoint are supported only in user defined networks: use HostConfig.Links'];
}

function addressFaults(network: Network, { ipam }: EndpointSettings): readonly string[] {
  const wanted = [
    { family: 4, text: ipam?.IPv4Address },
    { family: 6, text: ipam?.IPv6Address },
  ].filter(({ text }) => text !== undefined && text !== '');
  const faults =
    wanted.length > 0 && network.predefined
      ? ['user specified IP address is supported on user defined networks only']
      : [];
  return faults.concat(
    wanted.flatMap(({ family, text = '' }) => {
      const address = parseAddress(text);
      const invalid = address?.family === family ? [] : [`invalid IPv${family} address: ${text}`];
      if (!network.subnetChosen) {
        return [
          ...invalid,
          'user specified IP address is supported only when connecting to networks with user configured subnets',
        ];
      }
      const inside =
        address !== undefined &&
        network.subnets.some(({ subnet }) => {
          const block = parseBlock(subnet);
          return block !== undefined && contains(block, address);
        });
      return inside
        ? invalid
        : [...invalid, `no configured subnet or ip-range contain the IP address ${text}`];
    }),
  );
}
