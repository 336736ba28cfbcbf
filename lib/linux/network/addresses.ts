import { attribute, numberAttribute, readAttributes } from './netlink-message.ts';
import { NetlinkError, type NetlinkSocket } from './netlink-socket.ts';

/** linux/rtnetlink.h, linux/if_addr.h */
const NEWADDR = 20;
const NEWROUTE = 24;
const DELROUTE = 25;
const GETROUTE = 26;
const CREATE = 0x400;
const REPLACE = 0x100;
const NO_DUPLICATE_CHECK = 2;
const AF_INET = 2;
const AF_INET6 = 10;
const IFA = { address: 1, local: 2, broadcast: 4, flags: 8 } as const;
const RTA = { destination: 1, oif: 4, gateway: 5 } as const;
const MAIN_TABLE = 254;
const PROTOCOL_BOOT = 3;
const UNICAST = 1;

/** An address in network byte order, 4 or 16 bytes, and its prefix length. */
export interface PrefixedAddress {
  readonly bytes: Uint8Array;
  readonly prefix: number;
}

/** Adds an address to a link; succeeds when it is there already. The address is usable at once. */
export function addAddress(socket: NetlinkSocket, index: number, { bytes, prefix }: PrefixedAddress): void {
  const v4 = bytes.length === 4;
  const header = Buffer.alloc(8);
  header.writeUInt8(v4 ? AF_INET : AF_INET6, 0);
  header.writeUInt8(prefix, 1);
  header.writeUInt8(NO_DUPLICATE_CHECK, 2);
  header.writeUInt32LE(index, 4);
  socket.request(
    'cannot give a link its address',
    NEWADDR,
    CREATE | REPLACE,
    header,
    attribute(IFA.local, bytes),
    attribute(IFA.address, bytes),
    ...(v4 && prefix < 31 ? [attribute(IFA.broadcast, broadcastOf(bytes, prefix))] : []),
    numberAttribute(IFA.flags, NO_DUPLICATE_CHECK),
  );
}

/** Sets the default route of the gateway's family, replacing any other. */
export function setDefaultRoute(socket: NetlinkSocket, gateway: Uint8Array, index: number): void {
  socket.request(
    'cannot set the default route',
    NEWROUTE,
    CREATE | REPLACE,
    routeHeader(gateway.length === 4),
    attribute(RTA.gateway, gateway),
    numberAttribute(RTA.oif, index),
  );
}

/** Deletes the default route; succeeds when there is none. */
export function deleteDefaultRoute(socket: NetlinkSocket, family: 4 | 6): void {
  try {
    socket.request('cannot delete the default route', DELROUTE, 0, routeHeader(family === 4));
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'ESRCH')) throw error;
  }
}

/** Lists the destinations of IPv4 routes in the main table, without the default route. */
export function listRoutes(socket: NetlinkSocket): readonly PrefixedAddress[] {
  const header = Buffer.alloc(12);
  header.writeUInt8(AF_INET, 0);
  return socket
    .dump('cannot list the routes', GETROUTE, header)
    .filter(({ type, body }) => type === NEWROUTE && body.readUInt8(4) === MAIN_TABLE)
    .flatMap(({ body }) => {
      const destination = readAttributes(body, 12).get(RTA.destination);
      return destination === undefined ? [] : [{ bytes: destination, prefix: body.readUInt8(1) }];
    });
}

/** struct rtmsg of a default route */
function routeHeader(v4: boolean): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(v4 ? AF_INET : AF_INET6, 0);
  header.writeUInt8(MAIN_TABLE, 4);
  header.writeUInt8(PROTOCOL_BOOT, 5);
  header.writeUInt8(UNICAST, 7);
  return header;
}

function broadcastOf(bytes: Uint8Array, prefix: number): Uint8Array {
  return bytes.map((byte, index) => {
    const hostBits = Math.min(8, Math.max(0, 8 * (index + 1) - prefix));
    return byte | (2 ** hostBits - 1);
  });
}
