import { isIP } from 'node:net';
import { EngineError } from '../../errors.ts';
import type { PublishedPort } from '../network.ts';
import type { PortWish } from '../plan/port-bindings.ts';
import { openRelay, type Relay } from './relay.ts';

/** The first and last of Linux's ports for any purpose, of which Docker takes one where a client names none. */
const FIRST = 32768;
const LAST = 60999;

interface Published extends PublishedPort {
  readonly owner: string;
  readonly relays: readonly Relay[];
}

/**
 * Holds the host's published ports: it listens on each, so that no other program gets it and a taken one is found out, and
 * passes on what the packet filter does not lead to the container, as connections to `[::1]`.
 */
export class PortPublisher {
  readonly #published = new Set<Published>();
  #next = FIRST;

  /**
   * Takes a port for each wish, all or none. `owner` is the container. Throws EngineError 'runtime', worded as dockerd does
   * behind its prefix.
   */
  async publish(owner: string, wishes: readonly PortWish[]): Promise<readonly PublishedPort[]> {
    const taken: Published[] = [];
    try {
      for (const wish of wishes) taken.push(...(await this.#take(owner, wish)));
      return taken.map(bare);
    } catch (error) {
      await this.#release(taken);
      throw error;
    }
  }

  /** Takes ports that a container has since before the agent's restart; answers those that cannot be listened on. */
  async adopt(owner: string, ports: readonly PublishedPort[]): Promise<readonly PublishedPort[]> {
    const failed: PublishedPort[] = [];
    for (const port of ports) {
      const relays = await openRelay(port.protocol, port.hostIp, port.hostPort).then(
        (relay) => [relay],
        () => {
          failed.push(port);
          return [];
        },
      );
      this.#published.add({ ...port, owner, relays });
    }
    return failed;
  }

  /** Where what arrives at a container's ports goes from now on; undefined: nowhere. */
  aim(owner: string, address: string | undefined): void {
    for (const { relays, containerPort } of this.#of(owner)) {
      for (const relay of relays)
        relay.aim(address === undefined ? undefined : { address, port: containerPort });
    }
  }

  /** Lets go of all ports of a container. */
  async release(owner: string): Promise<void> {
    await this.#release(this.#of(owner));
  }

  async close(): Promise<void> {
    await this.#release([...this.#published]);
  }

  #of(owner: string): readonly Published[] {
    return [...this.#published].filter((port) => port.owner === owner);
  }

  async #release(ports: readonly Published[]): Promise<void> {
    for (const port of ports) this.#published.delete(port);
    await Promise.all(ports.flatMap(({ relays }) => relays.map((relay) => relay.close())));
  }

  async #take(owner: string, wish: PortWish): Promise<readonly Published[]> {
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

  /** The address of a wish that somebody of this agent has at a port. */
  #holder(wish: PortWish, port: number): string | undefined {
    return wish.hostIps.find((hostIp) =>
      [...this.#published].some(
        (other) =>
          other.protocol === wish.protocol && other.hostPort === port && collide(other.hostIp, hostIp),
      ),
    );
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
      // Two starts at a time must not both find it free.
      const mark = { ...reserved, relays: [] };
      this.#published.add(mark);
      try {
        const relay = await openRelay(protocol, hostIp, hostPort);
        const published = { ...reserved, relays: [relay] };
        this.#published.add(published);
        listened.push(published);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? '';
        // A host without IPv6 publishes on IPv4 alone.
        if (hostIp === '::' && hostIps.length > 1 && NO_IPV6.has(code)) continue;
        await this.#release(listened);
        throw listenError(wish, hostIp, hostPort, error as NodeJS.ErrnoException);
      } finally {
        this.#published.delete(mark);
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
