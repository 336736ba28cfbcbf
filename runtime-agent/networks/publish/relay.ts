import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import type { Protocol } from '../network.ts';

/** The target of a relay. */
export interface RelayTarget {
  readonly address: string;
  readonly port: number;
}

/** Listens on a port of the host and relays to a container's port, and back. */
export interface Relay {
  /** Sets the target; without one, new traffic is refused. */
  aim(target: RelayTarget | undefined): void;
  /** Cuts open connections. */
  close(): Promise<void>;
}

/**
 * Listens at once. Takes the sockets of its connections from `connections`, and refuses connections beyond that budget.
 * Rejects with the error of bind(2): EADDRINUSE, EADDRNOTAVAIL …
 */
export function openRelay(
  protocol: Protocol,
  hostIp: string,
  hostPort: number,
  connections: SocketBudget,
): Promise<Relay> {
  const open = protocol === 'tcp' ? openTcpRelay : openUdpRelay;
  return open(hostIp, hostPort, connections);
}

/**
 * Maximum connections of a port. The packet filter forwards published ports; only connections that it cannot forward
 * arrive here.
 */
const MAX_CONNECTIONS = 4096;
/** Sockets of a connection: the client's and the container's. */
const SOCKETS_PER_CONNECTION = 2;

/** See openRelay. Either side may end its half first. */
function openTcpRelay(host: string, port: number, connections: SocketBudget): Promise<Relay> {
  let target: RelayTarget | undefined;
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    if (target === undefined || !connections.take(SOCKETS_PER_CONNECTION)) {
      client.destroy();
      return;
    }
    const inner = connect({ host: target.address, port: target.port, allowHalfOpen: true });
    for (const [socket, other] of [
      [client, inner],
      [inner, client],
    ] as const) {
      open.add(socket);
      socket.on('error', () => other.destroy());
      socket.once('close', (failed) => {
        open.delete(socket);
        connections.give(1);
        if (failed) other.destroy();
      });
      socket.pipe(other);
    }
  });
  server.maxConnections = MAX_CONNECTIONS;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, ipv6Only: host.includes(':') }, () => {
      server.off('error', reject);
      // A connection that the kernel cannot accept for lack of descriptors fails for that client only.
      server.on('error', () => undefined);
      server.unref();
      resolve({
        aim: (next) => {
          target = next;
        },
        close: () =>
          new Promise((done) => {
            for (const socket of open) socket.destroy();
            server.close(() => done());
          }),
      });
    });
  });
}

/** Milliseconds after which a silent client is forgotten, as in Linux's own connection tracking. */
const IDLE = 90_000;
/** Maximum clients of a port, of which the oldest is evicted first: addresses may be forged. */
const MAX_CLIENTS = 1024;

interface Client {
  readonly inner: UdpSocket;
  timer: NodeJS.Timeout;
}

/** See openRelay. Each client has its own socket towards the container, which identifies its answers. */
function openUdpRelay(host: string, port: number, connections: SocketBudget): Promise<Relay> {
  const family = host.includes(':') ? 'udp6' : 'udp4';
  const outer = createSocket({ type: family, ipv6Only: family === 'udp6' });
  const clients = new Map<string, Client>();
  let target: RelayTarget | undefined;
  const forget = (key: string) => {
    const client = clients.get(key);
    if (client === undefined) return;
    clients.delete(key);
    clearTimeout(client.timer);
    client.inner.close();
    connections.give(1);
  };
  const meet = (key: string, from: RemoteInfo, { address }: RelayTarget): Client | undefined => {
    const isFull = clients.size >= MAX_CLIENTS || connections.taken >= connections.maximum;
    const [oldest] = isFull ? clients.keys() : [];
    if (oldest !== undefined) forget(oldest);
    if (!connections.take(1)) return undefined;
    const inner = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    inner.on('message', (answer) => outer.send(answer, from.port, from.address, () => undefined));
    inner.on('error', () => forget(key));
    const client = { inner, timer: setTimeout(() => forget(key), IDLE).unref() };
    clients.set(key, client);
    return client;
  };
  outer.on('message', (message, from) => {
    if (target === undefined) return;
    const key = `${from.address} ${from.port}`;
    const client = clients.get(key) ?? meet(key, from, target);
    if (client === undefined) return;
    client.timer.refresh();
    client.inner.send(message, target.port, target.address, () => undefined);
  });
  return new Promise((resolve, reject) => {
    outer.once('error', reject);
    outer.bind({ address: host, port, exclusive: true }, () => {
      outer.off('error', reject);
      outer.on('error', () => undefined);
      outer.unref();
      resolve({
        aim: (next) => {
          target = next;
          for (const key of [...clients.keys()]) forget(key);
        },
        close: () =>
          new Promise((done) => {
            for (const key of [...clients.keys()]) forget(key);
            outer.close(() => done());
          }),
      });
    });
  });
}

/** A number of sockets that many users share. */
export class SocketBudget {
  readonly maximum: number;
  #taken = 0;

  constructor(maximum: number) {
    this.maximum = maximum;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes `count` sockets and returns true, or takes none and returns false. */
  take(count: number): boolean {
    if (this.#taken + count > this.maximum) return false;
    this.#taken += count;
    return true;
  }

  give(count: number): void {
    this.#taken -= count;
  }
}
