import {
  attribute,
  attributeText,
  nested,
  numberAttribute,
  readAttributes,
  textAttribute,
} from './netlink-message.ts';
import { NetlinkError, type NetlinkSocket } from './netlink-socket.ts';

/** linux/rtnetlink.h */
const NEWLINK = 16;
const DELLINK = 17;
const GETLINK = 18;
const SETLINK = 19;
const CREATE = 0x400;
const EXCLUSIVE = 0x200;
const AF_UNSPEC = 0;
const AF_BRIDGE = 7;
const UP = 1;
/** linux/if_link.h */
const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  master: 10,
  protocolInfo: 12,
  linkInfo: 18,
  alias: 20,
  namespaceFd: 28,
} as const;
const INFO_KIND = 1;
const INFO_DATA = 2;
const VETH_PEER = 1;
const BRIDGE_PORT_HAIRPIN = 4;
const BRIDGE_PORT_ISOLATED = 33;

/** A network interface of the socket's namespace. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** Free text that names its owner, '' without one. */
  readonly alias: string;
  /** Its MAC address, `02:42:ac:11:00:02`. */
  readonly mac: string;
  /** Index of its bridge, 0 without one. */
  readonly master: number;
}

/** A veth pair: one end in a container's namespace, the other a port of a bridge. */
export interface VethRequest {
  readonly name: string;
  readonly bridge: number;
  readonly mtu: number;
  /** Whether the port is isolated: it reaches the bridge itself, but no other isolated port. */
  readonly isolated: boolean;
  readonly peer: {
    readonly name: string;
    /** `02:42:ac:11:00:02` */
    readonly mac: string;
    /** Descriptor of the namespace for the container's end. */
    readonly namespace: number;
  };
}

/** Returns undefined when there is no link with this name. */
export function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  try {
    const answer = socket.ask(
      `cannot look for ${name}`,
      GETLINK,
      linkHeader(0),
      textAttribute(IFLA.name, name),
    );
    return answer === undefined ? undefined : readLink(answer.body);
  } catch (error) {
    if (error instanceof NetlinkError && error.code === 'ENODEV') return undefined;
    throw error;
  }
}

/** Lists all links of the namespace. */
export function listLinks(socket: NetlinkSocket): readonly Link[] {
  return socket
    .dump('cannot list the links', GETLINK, linkHeader(0))
    .filter(({ type }) => type === NEWLINK)
    .map(({ body }) => readLink(body));
}

/** Makes a bridge and sets it up. Its MAC address never changes. */
export function addBridge(
  socket: NetlinkSocket,
  bridge: { readonly name: string; readonly mac: string; readonly mtu: number },
): void {
  socket.request(
    `cannot make the bridge ${bridge.name}`,
    NEWLINK,
    CREATE | EXCLUSIVE,
    linkHeader(0, UP),
    textAttribute(IFLA.name, bridge.name),
    attribute(IFLA.address, macBytes(bridge.mac)),
    numberAttribute(IFLA.mtu, bridge.mtu),
    nested(IFLA.linkInfo, textAttribute(INFO_KIND, 'bridge')),
  );
}

/** Records the owner of a link. The kernel takes no alias when it creates a link. */
export function setAlias(socket: NetlinkSocket, index: number, alias: string): void {
  socket.request(
    'cannot name the owner of a link',
    SETLINK,
    0,
    linkHeader(index),
    textAttribute(IFLA.alias, alias),
  );
}

/**
 * Makes a veth pair and sets the bridge's end up. That end is in hairpin mode: a container reaches itself by a
 * published port even if bridged packets pass the host's packet filter.
 */
export function addVeth(socket: NetlinkSocket, request: VethRequest): void {
  const { peer } = request;
  socket.request(
    `cannot connect a container to its bridge by ${request.name}`,
    NEWLINK,
    CREATE | EXCLUSIVE,
    linkHeader(0, UP),
    textAttribute(IFLA.name, request.name),
    numberAttribute(IFLA.mtu, request.mtu),
    numberAttribute(IFLA.master, request.bridge),
    nested(
      IFLA.linkInfo,
      textAttribute(INFO_KIND, 'veth'),
      nested(
        INFO_DATA,
        nested(
          VETH_PEER,
          // The kernel cannot set it up before the other end exists.
          linkHeader(0),
          textAttribute(IFLA.name, peer.name),
          numberAttribute(IFLA.mtu, request.mtu),
          attribute(IFLA.address, macBytes(peer.mac)),
          numberAttribute(IFLA.namespaceFd, peer.namespace),
        ),
      ),
    ),
  );
  const link = findLink(socket, request.name);
  if (link === undefined) throw new Error(`the link ${request.name} has gone`);
  setPort(socket, link, request.isolated);
}

/** Makes a link a port of a bridge, unless it is one already. */
export function setMaster(socket: NetlinkSocket, link: Link, bridge: number, isolated: boolean): void {
  if (link.master === bridge) return;
  socket.request(
    `cannot connect ${link.name} to its bridge`,
    SETLINK,
    0,
    linkHeader(link.index),
    numberAttribute(IFLA.master, bridge),
  );
  setPort(socket, link, isolated);
}

export function setUp(socket: NetlinkSocket, index: number): void {
  socket.request('cannot switch a link on', SETLINK, 0, linkHeader(index, UP));
}

/** Deletes a link; succeeds when there is none with this name. */
export function deleteLink(socket: NetlinkSocket, name: string): void {
  try {
    socket.request(`cannot delete ${name}`, DELLINK, 0, linkHeader(0), textAttribute(IFLA.name, name));
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'ENODEV')) throw error;
  }
}

function setPort(socket: NetlinkSocket, link: Link, isolated: boolean): void {
  socket.request(
    `cannot set ${link.name} up as a port of its bridge`,
    SETLINK,
    0,
    linkHeader(link.index, 0, AF_BRIDGE),
    nested(
      IFLA.protocolInfo,
      attribute(BRIDGE_PORT_HAIRPIN, Buffer.from([1])),
      attribute(BRIDGE_PORT_ISOLATED, Buffer.from([isolated ? 1 : 0])),
    ),
  );
}

/** struct ifinfomsg */
function linkHeader(index: number, flags = 0, family = AF_UNSPEC): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt8(family, 0);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(flags, 12);
  return header;
}

function readLink(body: Buffer): Link {
  const attributes = readAttributes(body, 16);
  return {
    index: body.readInt32LE(4),
    name: attributeText(attributes.get(IFLA.name)),
    alias: attributeText(attributes.get(IFLA.alias)),
    mac: (attributes.get(IFLA.address) ?? Buffer.alloc(0)).toString('hex').replace(/..(?=.)/g, '$&:'),
    master: attributes.get(IFLA.master)?.readUInt32LE(0) ?? 0,
  };
}

function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}
