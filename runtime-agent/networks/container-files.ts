import { EngineError } from '../errors.ts';
import type { NetworkFiles } from './container-networks.ts';
import { readOrEmpty } from './host-resolvers.ts';
import type { ActiveEndpoint, Network } from './network.ts';
import type { NetworkedContainer } from './networked-container.ts';
import {
  addToHosts,
  type HostsEntry,
  hostsFile,
  ownNames,
  planResolvConf,
  type ResolverSettings,
} from './plan/etc-files.ts';
import { gatewayOf, parseAddress, subnetOf } from './plan/ip-address.ts';
import { networkMode } from './plan/place-container.ts';

/**
 * Plans the files of a container with these endpoints; `hostGateway` is the address for `--add-host x:host-gateway`.
 */
export function containerFiles(
  container: NetworkedContainer,
  endpoints: readonly ActiveEndpoint[],
  host: ResolverSettings,
  inNamedNetwork: boolean,
  hostGateway: string,
): NetworkFiles & { readonly resolver: boolean } {
  const { resolver, text } = planFor(container, host, inNamedNetwork);
  return {
    hosts: hostsFile([
      ...extraHosts(container.hostConfig.ExtraHosts, hostGateway),
      ...endpoints.flatMap((endpoint) => endpointHosts(container, endpoint)),
    ]),
    resolvConf: text,
    resolver,
  };
}

/** Returns the files of a container with the host's network, or without one. */
export function filesWithoutNetworks(
  container: NetworkedContainer,
  host: ResolverSettings,
  hostGateway: string,
): NetworkFiles {
  const extra = extraHosts(container.hostConfig.ExtraHosts, hostGateway);
  const shared = networkMode(container.hostConfig.NetworkMode).kind === 'host';
  if (!shared) return { hosts: hostsFile(extra), resolvConf: planFor(container, host, false, true).text };
  const { Dns, DnsOptions, DnsSearch } = container.hostConfig;
  const chosen = Dns.length + DnsOptions.length + DnsSearch.length > 0;
  return {
    hosts: extra.reduce(addToHosts, readOrEmpty('/etc/hosts')),
    resolvConf: chosen ? planFor(container, host, false, true).text : readOrEmpty('/etc/resolv.conf'),
  };
}

/** Returns the lines of /etc/hosts for an endpoint. */
export function endpointHosts(
  container: NetworkedContainer,
  { ipv4, ipv6 }: ActiveEndpoint,
): readonly HostsEntry[] {
  const names = ownNames(container.config.Hostname, container.config.Domainname);
  return [ipv4, ipv6].flatMap((text) => (text === '' ? [] : [{ address: text.split('/')[0] ?? '', names }]));
}

/** Plans the resolv.conf of a container in networks, and its resolver's servers. */
export function planFor(
  container: NetworkedContainer,
  host: ResolverSettings,
  internal: boolean,
  /** Whether loopback servers stay: the host's loopback is the container's, or there is no network anyway. */
  keepLoopback = false,
): ReturnType<typeof planResolvConf> {
  const { Dns, DnsOptions, DnsSearch } = container.hostConfig;
  const choice = {
    servers: keepLoopback && Dns.length === 0 ? host.nameservers : Dns,
    search: DnsSearch,
    options: DnsOptions,
  };
  return planResolvConf(host, choice, internal);
}

/** Parses `name:address` of --add-host. Throws EngineError 'bad-request'. */
export function extraHosts(hosts: readonly string[], hostGateway: string): readonly HostsEntry[] {
  return hosts.map((text) => {
    const at = text.indexOf(':');
    const name = text.slice(0, at);
    const given = text.slice(at + 1).replace(/^\[(.*)\]$/, '$1');
    const address = given === 'host-gateway' ? hostGateway : given;
    if (at <= 0 || /\s/.test(name))
      throw new EngineError('bad-request', `bad format for add-host: "${text.slice(0, 80)}"`);
    if (parseAddress(address) === undefined) {
      throw new EngineError('bad-request', `invalid IP address in add-host: "${given.slice(0, 80)}"`);
    }
    return { address, names: [name] };
  });
}

/** Returns the host's addresses for containers of the network `bridge`. */
export function hostGatewayOf(bridge: Network): string {
  const subnet = subnetOf(bridge, 4);
  return subnet === undefined ? '127.0.0.1' : gatewayOf(subnet);
}
