import { isIP } from 'node:net';
import { Pace } from '../../../lib/sync/pace.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import type { PublishedPort } from '../network.ts';
import type { PortWish } from '../plan/port-bindings.ts';
import { openRelay, type Relay, type SocketBudget } from './relay.ts';

/** Linux's ephemeral port range, from which Docker takes a port if a client names none. */
const FIRST = 32768;
const LAST = 60999;

/** Sockets that are opened or closed in one turn of the event loop: a few milliseconds. */
const SOCKETS_PER_TURN = 64;

interface Published extends PublishedPort {
  readonly owner: string;
  readonly relays: readonly Relay[];
}

/**
 * Holds the host's published ports: it listens on each, so that no other program gets it and a taken one is detected,
 * and relays connections that the packet filter cannot redirect, such as those to `[::1]`.
 */
export class PortPublisher {
  readonly #byOwner = new Map<string, Set<Published>>();
  /** By protocol and port of the host. */
  readonly #byPort = new Map<string, Set<Published>>();
  readonly #listeners: SocketBudget;
  readonly #connections: SocketBudget;
  #next = FIRST;

  /** `listeners` is the budget of listening sockets, `connections` that of relayed connections. */
  constructor(listeners: SocketBudget, connections: SocketBudget) {
    this.#listeners = listeners;
    this.#connections = connections;
  }

  /**
   * Takes a port for each request, all or none. `owner` is the container. Throws EngineError 'runtime', with dockerd's
   * message after its prefix, and 'conflict' if the budget of sockets is exhausted.
   */
  async publish(owner: string, wishes: readonly PortWish[]): Promise<readonly PublishedPort[]> {
    const taken: Published[] = [];
    const pace = new Pace(SOCKETS_PER_TURN);
    try {
      for (const wish of wishes) {
        const ports = await this.#take(owner, wish, pace);
        taken.push(...ports);
        await pace.after(ports.length);
      }
      return taken.map(bare);
    } catch (error) {
      await this.#release(taken);
      throw error;
    }
  }

  /** Takes over ports of a container from before the agent's restart; returns those that cannot be listened on. */
  async adopt(owner: string, ports: readonly PublishedPort[]): Promise<readonly PublishedPort[]> {
    const failed: PublishedPort[] = [];
    const pace = new Pace(SOCKETS_PER_TURN);
    for (const port of ports) {
      const relays = await this.#open(port).then(
        (relay) => [relay],
        () => {
          failed.push(port);
          return [];
        },
      );
      this.#add({ ...port, owner, relays });
      await pace.after(1);
    }
    return failed;
  }

  /** Sets the target of a container's ports; undefined means none. */
  aim(owner: string, address: string | undefined): void {
    for (const { relays, containerPort } of this.#of(owner)) {
      for (const relay of relays)
        relay.aim(address === undefined ? undefined : { address, port: containerPort });
    }
  }

  /** Releases all ports of a container. */
  async release(owner: string): Promise<void> {
    await this.#release(this.#of(owner));
  }

  async close(): Promise<void> {
    await this.#release([...this.#byOwner.values()].flatMap((ports) => [...ports]));
  }

  #of(owner: string): readonly Published[] {
    return [...(this.#byOwner.get(owner) ?? [])];
  }

  #add(port: Published): void {
    addTo(this.#byOwner, port.owner, port);
    addTo(this.#byPort, portKey(port.protocol, port.hostPort), port);
  }

  /** Returns whether it existed. */
  #delete(port: Published): boolean {
    deleteFrom(this.#byPort, portKey(port.protocol, port.hostPort), port);
    return deleteFrom(this.#byOwner, port.owner, port);
  }

  async #release(ports: readonly Published[]): Promise<void> {
    const pace = new Pace(SOCKETS_PER_TURN);
    const closed: Promise<void>[] = [];
    for (const port of ports) {
      if (!this.#delete(port)) continue;
      for (const relay of port.relays) closed.push(relay.close().finally(() => this.#listeners.give(1)));
      await pace.after(port.relays.length);
    }
    await Promise.all(closed);
  }

  async #open({ protocol, hostIp, hostPort }: PublishedPort): Promise<Relay> {
    if (!this.#listeners.take(1)) {
      const { maximum } = this.#listeners;
      throw new EngineError(
        'conflict',
        `all ${maximum} sockets for published ports are in use: publish fewer ports, or raise the agent's limit of open files`,
      );
    }
    try {
      return await openRelay(protocol, hostIp, hostPort, this.#connections);
    } catch (error) {
      this.#listeners.give(1);
      throw error;
    }
  }

  async #take(owner: string, wish: PortWish, pace: Pace): Promise<readonly Published[]> {
    for (const hostIp of wish.hostIps) {
      if (isIP(hostIp) === 0)
        throw new EngineError('bad-request', `invalid IP address: ${hostIp.slice(0, 80)}`);
    }
    const { hostPorts } = wish;
    if (hostPorts !== undefined && hostPorts.from === hostPorts.to) {
      return this.#listen(owner, wish, hostPorts.from);
    }
    const { from, to } = hostPorts ?? { from: FIRST, to: LAST };
    const count = to - from + 1;
    for (let step = 0; step < count; step += 1) {
      const port = hostPorts === undefined ? this.#nextPort() : from + step;
      await pace.after(1);
      if (this.#holder(wish, port) !== undefined) continue;
      try {
        return await this.#listen(owner, wish, port);
      } catch (error) {
        if (!(error instanceof PortInUseError)) throw error;
      }
    }
    throw new EngineError(
      'runtime',
      hostPorts === undefined
        ? 'all ports are allocated'
        : `Bind for ${wish.hostIps[0]}:${from}-${to} failed: all ports are allocated`,
    );
  }

  #nextPort(): number {
    const port = this.#next;
    this.#next = port === LAST ? FIRST : port + 1;
    return port;
  }

  /** Returns the address of a request whose port a container of this agent already holds. */
  #holder(wish: PortWish, port: number): string | undefined {
    const others = [...(this.#byPort.get(portKey(wish.protocol, port)) ?? [])];
    return wish.hostIps.find((hostIp) => others.some((other) => collide(other.hostIp, hostIp)));
  }

  async #listen(owner: string, wish: PortWish, hostPort: number): Promise<readonly Published[]> {
    const { protocol, containerPort, hostIps } = wish;
    const holder = this.#holder(wish, hostPort);
    if (holder !== undefined) {
      throw new EngineError(
        'runtime',
        `Bind for ${bracketed(holder)}:${hostPort} failed: port is already allocated`,
      );
    }
    const listened: Published[] = [];
    for (const hostIp of hostIps) {
      const reserved = { protocol, containerPort, hostIp, hostPort, owner };
      // Two concurrent starts must not both find it free.
      const mark = { ...reserved, relays: [] };
      this.#add(mark);
      try {
        const relay = await this.#open(reserved);
        const published = { ...reserved, relays: [relay] };
        this.#add(published);
        listened.push(published);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? '';
        // A host without IPv6 publishes on IPv4 alone.
        if (hostIp === '::' && hostIps.length > 1 && NO_IPV6.has(code)) continue;
        await this.#release(listened);
        throw listenError(wish, hostIp, hostPort, error as NodeJS.ErrnoException);
      } finally {
        this.#delete(mark);
      }
    }
    return listened;
  }
}

const NO_IPV6 = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL']);

/** Another program has the port. */
class PortInUseError extends EngineError {}

function listenError(
  { protocol }: PortWish,
  hostIp: string,
  hostPort: number,
  cause: NodeJS.ErrnoException,
): Error {
  if (isEngineError(cause)) return cause;
  const family = hostIp.includes(':') ? '6' : '4';
  const reason =
    cause.code === 'EADDRINUSE'
      ? 'address already in use'
      : cause.code === 'EADDRNOTAVAIL'
        ? 'cannot assign requested address'
        : cause.message;
  const Failure = cause.code === 'EADDRINUSE' ? PortInUseError : EngineError;
  return new Failure(
    'runtime',
    `Error starting userland proxy: listen ${protocol}${family} ${bracketed(hostIp)}:${hostPort}: bind: ${reason}`,
    { cause },
  );
}

function portKey(protocol: string, hostPort: number): string {
  return `${protocol} ${hostPort}`;
}

function addTo(map: Map<string, Set<Published>>, key: string, port: Published): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, new Set([port]));
  else known.add(port);
}

function deleteFrom(map: Map<string, Set<Published>>, key: string, port: Published): boolean {
  const known = map.get(key);
  if (!known?.delete(port)) return false;
  if (known.size === 0) map.delete(key);
  return true;
}

function collide(a: string, b: string): boolean {
  if (a.includes(':') !== b.includes(':')) return false;
  return a === b || [a, b].some((address) => address === '0.0.0.0' || address === '::');
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

function bare({ protocol, containerPort, hostIp, hostPort }: Published): PublishedPort {
  return { protocol, containerPort, hostIp, hostPort };
}
