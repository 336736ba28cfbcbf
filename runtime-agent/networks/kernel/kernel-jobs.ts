import { closeSync, openSync } from 'node:fs';
import { type Libc, loadLibc } from '../../../lib/linux/libc.ts';
import { listRoutes } from '../../../lib/linux/network/addresses.ts';
import { deleteLink, findLink, listLinks, setMaster, setUp } from '../../../lib/linux/network/links.ts';
import { listenOn } from '../../../lib/linux/network/listen-in-namespace.ts';
import { NamespaceMover } from '../../../lib/linux/network/namespace.ts';
import { NETLINK, NetlinkSocket } from '../../../lib/linux/network/netlink-socket.ts';
import { filterGeneration, Nftables } from '../../../lib/linux/network/nftables.ts';
import { RESOLVER_ADDRESS } from '../plan/etc-files.ts';
import { addressFromBytes, blockOf, formatBlock } from '../plan/ip-address.ts';
import { type BridgeSpec, type EndpointSpec, isOwnBridge } from '../plan/place-container.ts';
import { addressEndpoint, allowIpv6, connectEndpoint, ensureBridge, setGateways } from './ensure-bridge.ts';
import { Forwarding } from './forwarding.ts';
import type { FilterAnswer, JobAnswer, JobMessage, JobRequest, ResolverSockets } from './kernel.ts';

const LOOPBACK = 1;

/** Does the jobs of NetworkKernel, each to its end, in the thread that calls it. Needs root. */
export class KernelJobs {
  readonly #libc: Libc = loadLibc();
  readonly #mover = new NamespaceMover();
  readonly #host = new NetlinkSocket(this.#libc);
  #filter: Nftables | undefined;
  #filterState: NetlinkSocket | undefined;
  #forwarding: Forwarding | undefined;

  run(message: JobMessage): unknown {
    switch (message.kind) {
      case 'open':
        return this.#open(message.request);
      case 'join':
        return this.#join(message.request);
      case 'leave':
        return this.#leave(message.request);
      case 'resolver':
        return this.#at(message.request.namespace, (namespace) => this.#resolver(namespace));
      case 'bridges':
        return this.#bridges(message.request);
      case 'remove-bridge': {
        const { name } = message.request;
        const found = findLink(this.#host, name);
        if (found !== undefined && isOwnBridge(found, message.request)) deleteLink(this.#host, name);
        return undefined;
      }
      case 'find-link':
        return findLink(this.#host, message.request.name);
      case 'unlink':
        for (const link of message.request.links) deleteLink(this.#host, link);
        return undefined;
      case 'present-bridges':
        return message.request.bridges.filter((bridge) => this.#isPresent(bridge)).map(({ name }) => name);
      case 'filter':
        return this.#runFilter(message.request.commands);
      case 'filter-generation':
        return this.#generation();
      case 'forward':
        this.#forwarding ??= new Forwarding();
        this.#forwarding.settle(message.request);
        return { generation: this.#generation() };
      case 'routes':
        return listRoutes(this.#host).map(({ bytes, prefix }) =>
          formatBlock(blockOf(addressFromBytes(bytes), prefix)),
        );
    }
  }

  #open({ endpoints, gateways }: JobRequest<'open'>): JobAnswer<'open'> {
    const namespace = this.#mover.make();
    try {
      this.#inside(namespace, (inner) => setUp(inner, LOOPBACK));
      for (const endpoint of endpoints) this.#connect(namespace, endpoint);
      this.#inside(namespace, (inner) => setGateways(inner, gateways));
      return namespace;
    } catch (error) {
      // The namespace ends with its last holder, and its links only later.
      for (const { link } of endpoints) deleteLink(this.#host, link);
      closeSync(namespace);
      throw error;
    }
  }

  #join({ namespace: path, endpoint, gateways }: JobRequest<'join'>): undefined {
    this.#at(path, (namespace) => {
      try {
        this.#connect(namespace, endpoint);
        this.#inside(namespace, (inner) => setGateways(inner, gateways));
      } catch (error) {
        deleteLink(this.#host, endpoint.link);
        throw error;
      }
    });
  }

  #leave({ namespace: path, link, gateways }: JobRequest<'leave'>): undefined {
    deleteLink(this.#host, link);
    this.#at(path, (namespace) => this.#inside(namespace, (inner) => setGateways(inner, gateways)));
  }

  #bridges({ bridges, links }: JobRequest<'bridges'>): JobAnswer<'bridges'> {
    const made = bridges.filter((bridge) => ensureBridge(this.#host, bridge));
    for (const { link, bridge, isolated } of links) {
      const port = findLink(this.#host, link);
      const master = findLink(this.#host, bridge);
      if (port !== undefined && master !== undefined) setMaster(this.#host, port, master.index, isolated);
    }
    if (made.length > 0) this.#removeNamesakes(made);
    return made.map(({ name }) => name);
  }

  /** Removes bridges that another program has renamed; they have the addresses of their replacements. */
  #removeNamesakes(bridges: readonly BridgeSpec[]): void {
    const aliases = new Map(bridges.map(({ alias, name }) => [alias, name]));
    for (const { alias, name } of listLinks(this.#host)) {
      const own = aliases.get(alias);
      if (own !== undefined && own !== name) deleteLink(this.#host, name);
    }
  }

  #isPresent(bridge: BridgeSpec): boolean {
    const found = findLink(this.#host, bridge.name);
    return found !== undefined && (bridge.adopt || isOwnBridge(found, bridge));
  }

  #runFilter(commands: string): FilterAnswer {
    this.#filter ??= new Nftables();
    const before = this.#generation();
    const answer = this.#filter.run(commands);
    const generation = this.#generation();
    return { ...answer, generation, alone: generation - before <= 1 };
  }

  #generation(): number {
    this.#filterState ??= new NetlinkSocket(this.#libc, NETLINK.netfilter);
    return filterGeneration(this.#filterState);
  }

  #connect(namespace: number, endpoint: EndpointSpec): void {
    this.#mover.inside(namespace, () => allowIpv6(endpoint.ipv6));
    connectEndpoint(this.#host, namespace, endpoint);
    this.#inside(namespace, (inner) => addressEndpoint(inner, endpoint));
  }

  #resolver(namespace: number): ResolverSockets {
    return this.#mover.inside(namespace, () => openResolver(this.#libc));
  }

  #at<T>(path: string, work: (namespace: number) => T): T {
    const namespace = openSync(path, 'r');
    try {
      return work(namespace);
    } finally {
      closeSync(namespace);
    }
  }

  /** Runs work with a netlink socket of the namespace. */
  #inside(namespace: number, work: (socket: NetlinkSocket) => void): void {
    this.#mover.inside(namespace, () => {
      const socket = new NetlinkSocket(this.#libc);
      try {
        work(socket);
      } finally {
        socket.close();
      }
    });
  }
}

/**
 * Port of the sockets: port 53 stays free for a name server in the container. It is outside Linux's ephemeral range.
 */
const PORT = 61053;

const TABLE = 'ip berth_resolver';
const REDIRECT = `
add table ${TABLE}
add chain ${TABLE} output { type nat hook output priority -100; }
add rule ${TABLE} output ip daddr ${RESOLVER_ADDRESS} udp dport 53 dnat to ${RESOLVER_ADDRESS}:${PORT}
add rule ${TABLE} output ip daddr ${RESOLVER_ADDRESS} tcp dport 53 dnat to ${RESOLVER_ADDRESS}:${PORT}
`;

/** Opens the resolver of the thread's current namespace. */
function openResolver(libc: Libc): ResolverSockets {
  const filter = new Nftables();
  try {
    // After a restart of the agent it exists, and creating it again would take the kernel long.
    const { ok, error } = filter.run(`list table ${TABLE}`).ok
      ? { ok: true, error: '' }
      : filter.run(REDIRECT);
    if (!ok) throw new Error(`the container's resolver cannot be set up: ${error}`);
  } finally {
    filter.close();
  }
  const address = RESOLVER_ADDRESS.split('.').map(Number);
  const udp = listenOn(libc, 'udp', address, PORT);
  try {
    return { udp, tcp: listenOn(libc, 'tcp', address, PORT) };
  } catch (error) {
    libc.close(udp);
    throw error;
  }
}
