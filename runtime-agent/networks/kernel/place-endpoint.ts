import { addAddress, deleteDefaultRoute, setDefaultRoute } from '../../../lib/linux/network/addresses.ts';
import { addVeth, findLink, setUp } from '../../../lib/linux/network/links.ts';
import type { NetlinkSocket } from '../../../lib/linux/network/netlink-socket.ts';
import { addressBytes, parseAddress, parsePrefixed } from '../plan/ip-address.ts';
import type { EndpointSpec, Gateways, Route } from '../plan/place-container.ts';
import { writeSysctl } from './sysctl.ts';

/** Whether links that are made in this thread's namespace from now on have IPv6. */
export function allowIpv6(allowed: boolean): void {
  writeSysctl('ipv6/conf/default/disable_ipv6', allowed ? '0' : '1');
}

/** Makes the pair of links, in the host's namespace. */
export function connectEndpoint(host: NetlinkSocket, namespace: number, endpoint: EndpointSpec): void {
  const bridge = findLink(host, endpoint.bridge);
  if (bridge === undefined) throw new Error(`the bridge ${endpoint.bridge} is not there`);
  const { link, mtu, mac, isolated } = endpoint;
  addVeth(host, {
    name: link,
    bridge: bridge.index,
    mtu,
    isolated,
    peer: { name: endpoint.interface, mac, namespace },
  });
}

/** Switches the container's end on and gives it its addresses, in the container's namespace. */
export function addressEndpoint(inner: NetlinkSocket, endpoint: EndpointSpec): void {
  const { index } = findLink(inner, endpoint.interface) ?? missing(endpoint.interface);
  setUp(inner, index);
  for (const text of endpoint.addresses) {
    const parsed = parsePrefixed(text);
    if (parsed === undefined) throw new Error(`${text} is no address`);
    addAddress(inner, index, { bytes: addressBytes(parsed.address), prefix: parsed.prefix });
  }
}

/** Sets the default routes of a container's namespace, and takes away those it should not have. */
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
  if (address === undefined) throw new Error(`${route.address} is no address`);
  setDefaultRoute(inner, addressBytes(address), index);
}

function missing(name: string): never {
  throw new Error(`the interface ${name} is not in the container`);
}
