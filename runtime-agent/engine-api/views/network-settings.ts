import type { ContainerInfo } from '../../containers/container-info.ts';
import {
  type ActiveEndpoint,
  type ActiveNetwork,
  DEFAULT_ENDPOINT,
  type EndpointSettings,
} from '../../networks/network.ts';
import type { Networks } from '../../networks/networks.ts';
import { networkMode } from '../../networks/plan/place-container.ts';
import { exposedPorts, portKey } from '../../networks/plan/port-bindings.ts';
import { dnsNames } from '../../networks/sandbox.ts';
import { ZERO_TIME } from './status-text.ts';

/** The IDs of the networks without a bridge. */
export type FixedNetworks = Readonly<Record<'host' | 'none', string>>;

/** Returns a container's network for inspect (Engine API, NetworkSettings). */
export function networkSettings(
  container: ContainerInfo,
  aliases: 'as-given' | 'with-id',
  fixed: FixedNetworks,
): object {
  const { activeNetwork, state } = container;
  const onBridge = activeNetwork?.endpoints.find(({ network }) => network.name === 'bridge');
  const main = endpointView(container, onBridge, DEFAULT_ENDPOINT);
  return {
    Bridge: '',
    SandboxID: '',
    SandboxKey: activeNetwork === undefined ? '' : `/proc/${state.pid}/ns/net`,
    Ports: portsView(container),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: main.EndpointID,
    Gateway: main.Gateway,
    GlobalIPv6Address: main.GlobalIPv6Address,
    GlobalIPv6PrefixLen: main.GlobalIPv6PrefixLen,
    IPAddress: main.IPAddress,
    IPPrefixLen: main.IPPrefixLen,
    IPv6Gateway: main.IPv6Gateway,
    MacAddress: main.MacAddress,
    Networks: networksView(container, aliases, fixed),
  };
}

/**
 * Returns a container's networks by name. Lists omit its names there, and before version 1.45 its ID is one of them.
 */
export function networksView(
  container: ContainerInfo,
  names: 'as-given' | 'with-id' | 'left-out',
  fixed: FixedNetworks,
): Readonly<Record<string, object>> {
  const { activeNetwork, hostConfig, networks, state } = container;
  const mode = networkMode(hostConfig.NetworkMode);
  const wanted =
    mode.kind === 'host' || mode.kind === 'none'
      ? {
          [mode.kind]:
            state.startedAt === ZERO_TIME
              ? DEFAULT_ENDPOINT
              : { ...DEFAULT_ENDPOINT, lastNetwork: fixed[mode.kind] },
        }
      : networks;
  return Object.fromEntries(
    Object.entries(wanted).map(([name, settings]) => {
      const active = activeNetwork?.endpoints.find(({ network }) => network.name === name);
      const view = endpointView(container, active, settings);
      if (names === 'left-out') return [name, { ...view, Aliases: null, DNSNames: null }];
      const own = ['bridge', 'host', 'none'].includes(name) || names === 'as-given' ? [] : namesOf(container);
      return [
        name,
        own.length === 0 ? view : { ...view, Aliases: [...new Set([...(view.Aliases ?? []), ...own])] },
      ];
    }),
  );
}

export interface ListedPort {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

/**
 * Returns one element for each published port and address, and one for each port that is only exposed
 * (ContainerSummary).
 */
export function portList(container: ContainerInfo): readonly ListedPort[] {
  const { activeNetwork } = container;
  if (!isConnected(activeNetwork)) return [];
  const { ports } = activeNetwork;
  const published = ports.map(({ hostIp, containerPort, hostPort, protocol }) => ({
    IP: hostIp,
    PrivatePort: containerPort,
    PublicPort: hostPort,
    Type: protocol,
  }));
  const leading = new Set(ports.map(({ containerPort: port, protocol }) => portKey({ port, protocol })));
  const exposed = reachablePorts(container, activeNetwork).filter((port) => !leading.has(portKey(port)));
  return [...published, ...exposed.map(({ port, protocol }) => ({ PrivatePort: port, Type: protocol }))];
}

function portsView(container: ContainerInfo): Readonly<Record<string, readonly object[] | null>> {
  const { activeNetwork } = container;
  if (!isConnected(activeNetwork)) return {};
  const view = new Map<string, { HostIp: string; HostPort: string }[] | null>();
  for (const exposed of reachablePorts(container, activeNetwork)) view.set(portKey(exposed), null);
  for (const { containerPort: port, protocol, hostIp, hostPort } of activeNetwork.ports) {
    const key = portKey({ port, protocol });
    const bindings = view.get(key) ?? [];
    bindings.push({ HostIp: hostIp, HostPort: String(hostPort) });
    view.set(key, bindings);
  }
  return Object.fromEntries([...view].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Exposed ports; dockerd shows none if all networks are internal. */
function reachablePorts(
  { config }: ContainerInfo,
  { endpoints }: ActiveNetwork,
): ReturnType<typeof exposedPorts> {
  if (endpoints.every(({ gateway4, gateway6 }) => gateway4 + gateway6 === '')) return [];
  return exposedPorts(Object.keys(config.ExposedPorts ?? {}));
}

function endpointView(
  container: ContainerInfo,
  active: ActiveEndpoint | undefined,
  { aliases, ipam, driverOptions, mac, links, lastNetwork }: EndpointSettings,
) {
  const [ipv4 = '', bits4 = '0'] = (active?.ipv4 ?? '').split('/');
  const [ipv6 = '', bits6 = '0'] = (active?.ipv6 ?? '').split('/');
  const named = active?.network.name !== 'bridge' && aliases !== null;
  return {
    IPAMConfig: ipam,
    Links: links ?? null,
    Aliases: aliases,
    MacAddress: active?.mac ?? mac,
    NetworkID: active?.network.id ?? lastNetwork ?? '',
    EndpointID: active?.endpointId ?? '',
    Gateway: active?.gateway4 ?? '',
    IPAddress: ipv4,
    IPPrefixLen: Number(bits4),
    IPv6Gateway: active?.gateway6 ?? '',
    GlobalIPv6Address: ipv6,
    GlobalIPv6PrefixLen: Number(bits6),
    DriverOpts: driverOptions,
    DNSNames: named || isUserDefined(active) ? dnsNames(container, aliases) : null,
  };
}

function namesOf({ id, config }: ContainerInfo): readonly string[] {
  return [id.slice(0, 12), config.Hostname].filter((name) => name !== '');
}

/**
 * Reports whether a container is connected; one that is disconnected from all its networks keeps its ports for the
 * next, and shows none.
 */
function isConnected(network: ActiveNetwork | undefined): network is ActiveNetwork {
  return network !== undefined && network.endpoints.length > 0;
}

function isUserDefined(active: ActiveEndpoint | undefined): boolean {
  return active !== undefined && active.network.name !== 'bridge';
}

/** Returns the networks that show containers without a network of their own. */
export function fixedNetworks(networks: Networks): FixedNetworks {
  return { host: networks.get('host').network.id, none: networks.get('none').network.id };
}
