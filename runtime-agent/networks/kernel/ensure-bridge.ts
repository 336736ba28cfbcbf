import { readFileSync, writeFileSync } from 'node:fs';
import { addAddress, deleteDefaultRoute, setDefaultRoute } from '../../../lib/linux/network/addresses.ts';
import { addBridge, addVeth, findLink, setAlias, setUp } from '../../../lib/linux/network/links.ts';
import type { NetlinkSocket } from '../../../lib/linux/network/netlink-socket.ts';
import { addressBytes, parseAddress, parsePrefixed } from '../plan/ip-address.ts';
import {
  type BridgeSpec,
  type EndpointSpec,
  type Gateways,
  isOwnBridge,
  type Route,
} from '../plan/place-container.ts';

/**
 * Reads a setting of the calling thread's network namespace, such as `ipv4/ip_forward`. Undefined if the kernel lacks
 * it.
 */
export function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/net/${name}`, 'latin1').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes a setting of the calling thread's network namespace; does nothing if the kernel lacks it, such as IPv6. */
export function writeSysctl(name: string, value: string): void {
  const current = readSysctl(name);
  if (current !== undefined && current !== value) writeFileSync(`/proc/sys/net/${name}`, value);
}

/**
 * Creates a bridge unless it exists; returns whether it was created. It completes one whose creation was interrupted.
 * Throws an Error when another owner has the name.
 */
export function ensureBridge(socket: NetlinkSocket, bridge: BridgeSpec): boolean {
  const found = findLink(socket, bridge.name);
  if (found?.alias === bridge.alias) {
    takeNoRouter(bridge.name);
    return false;
  }
  const isOwn = found === undefined || isOwnBridge(found, bridge);
  if (!isOwn && !bridge.adopt) {
    throw Object.assign(new Error(`the name ${bridge.name} belongs to another network interface`), {
      code: 'EEXIST',
    });
  }
  if (found === undefined) addBridge(socket, bridge);
  const { index } = found ?? findLink(socket, bridge.name) ?? { index: 0 };
  takeNoRouter(bridge.name);
  // Packets to a published port of 127.0.0.1 arrive through it; the filter drops forged ones from containers.
  writeSysctl(`ipv4/conf/${bridge.name}/route_localnet`, '1');
  writeSysctl(`ipv6/conf/${bridge.name}/disable_ipv6`, bridge.ipv6 ? '0' : '1');
  for (const text of bridge.addresses) {
    const parsed = parsePrefixed(text);
    if (parsed === undefined) throw new Error(`${text} is not an address`);
    addAddress(socket, index, { bytes: addressBytes(parsed.address), prefix: parsed.prefix });
  }
  // Last, because the alias marks completion.
  if (isOwn) setAlias(socket, index, bridge.alias);
  return isOwn;
}

/**
 * Ignores router advertisements: a container could pose as a router (RFC 4861), and receive the host's traffic
 * (CVE-2020-13401).
 */
function takeNoRouter(bridge: string): void {
  writeSysctl(`ipv6/conf/${bridge}/accept_ra`, '0');
}

/** Sets whether links that are created in this thread's namespace from now on have IPv6. */
export function allowIpv6(allowed: boolean): void {
  writeSysctl('ipv6/conf/default/disable_ipv6', allowed ? '0' : '1');
}

/** Creates the pair of links, in the host's namespace. */
export function connectEndpoint(host: NetlinkSocket, namespace: number, endpoint: EndpointSpec): void {
  const bridge = findLink(host, endpoint.bridge);
  if (bridge === undefined) throw new Error(`the bridge ${endpoint.bridge} does not exist`);
  const { link, mtu, mac, isolated } = endpoint;
  addVeth(host, {
    name: link,
    bridge: bridge.index,
    mtu,
    isolated,
    peer: { name: endpoint.interface, mac, namespace },
  });
}

/** Sets the container's end up and adds its addresses, in the container's namespace. */
export function addressEndpoint(inner: NetlinkSocket, endpoint: EndpointSpec): void {
  const { index } = findLink(inner, endpoint.interface) ?? missing(endpoint.interface);
  setUp(inner, index);
  for (const text of endpoint.addresses) {
    const parsed = parsePrefixed(text);
    if (parsed === undefined) throw new Error(`${text} is not an address`);
    addAddress(inner, index, { bytes: addressBytes(parsed.address), prefix: parsed.prefix });
  }
}

/** Sets the default routes of a container's namespace, and deletes others. */
export function setGateways(inner: NetlinkSocket, gateways: Gateways): void {
  setRoute(inner, 4, gateways.ipv4);
  setRoute(inner, 6, gateways.ipv6);
}

function setRoute(inner: NetlinkSocket, family: 4 | 6, route: Route | undefined): void {
  if (route === undefined) {
    deleteDefaultRoute(inner, family);
    return;
  }
  const { index } = findLink(inner, route.interface) ?? missing(route.interface);
  const address = parseAddress(route.address);
  if (address === undefined) throw new Error(`${route.address} is not an address`);
  setDefaultRoute(inner, addressBytes(address), index);
}

function missing(name: string): never {
  throw new Error(`the interface ${name} is not in the container`);
}
