import { addAddress } from '../../../lib/linux/network/addresses.ts';
import { addBridge, findLink, setAlias } from '../../../lib/linux/network/links.ts';
import type { NetlinkSocket } from '../../../lib/linux/network/netlink-socket.ts';
import { addressBytes, parsePrefixed } from '../plan/ip-address.ts';
import type { BridgeSpec } from '../plan/place-container.ts';
import { isOwnBridge } from './is-own-bridge.ts';
import { writeSysctl } from './sysctl.ts';

/**
 * Makes a bridge unless it is there; answers whether it was made. One that an agent was killed over in the middle of making it is
 * made whole. Throws an Error where the name is somebody else's.
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
  // Packets to a published port of 127.0.0.1 come in by it; the filter keeps what containers make up out.
  writeSysctl(`ipv4/conf/${bridge.name}/route_localnet`, '1');
  writeSysctl(`ipv6/conf/${bridge.name}/disable_ipv6`, bridge.ipv6 ? '0' : '1');
  for (const text of bridge.addresses) {
    const parsed = parsePrefixed(text);
    if (parsed === undefined) throw new Error(`${text} is no address`);
    addAddress(socket, index, { bytes: addressBytes(parsed.address), prefix: parsed.prefix });
  }
  // Last, for it says that all of this was done.
  if (isOwn) setAlias(socket, index, bridge.alias);
  return isOwn;
}

/** A container could call itself a router (RFC 4861), and get what the host sends (CVE-2020-13401). */
function takeNoRouter(bridge: string): void {
  writeSysctl(`ipv6/conf/${bridge}/accept_ra`, '0');
}
