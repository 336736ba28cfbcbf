import type { Socket } from 'node:net';
import { networkOf } from '../../lib/http/addresses.ts';

/** Descriptors that the process needs apart from its connections. */
const OWN_DESCRIPTORS = 256;
/** Descriptors per connection: the socket, its file, and one of another thread. */
const DESCRIPTORS_EACH = 3;
/** More connections cost too much memory. */
const MOST_CONNECTIONS = 16_384;
const FEWEST_CONNECTIONS = 32;

/** Limits of concurrent connections. */
export interface ConnectionLimits {
  readonly total: number;
  readonly perAddress: number;
  /** Maximum connections without a login. */
  readonly beforeLogin: number;
}

/** Returns the limits for a number of descriptors. */
export function connectionLimitsFor(descriptors: number): ConnectionLimits {
  const possible = Math.floor((descriptors - OWN_DESCRIPTORS) / DESCRIPTORS_EACH);
  const total = Math.max(FEWEST_CONNECTIONS, Math.min(possible, MOST_CONNECTIONS));
  return { total, perAddress: Math.floor(total / 2), beforeLogin: Math.floor((total * 3) / 4) };
}

interface Connection {
  /** The TCP socket; TLS has another one above it. */
  readonly socket: Socket;
  readonly key: string;
  readonly address: string;
  readonly neighbours: Neighbours;
  /** Requests that have not been answered. */
  running: number;
  loggedIn: boolean;
}

/** The connections from one address. */
interface Neighbours {
  count: number;
  readonly idle: Set<Connection>;
}

/**
 * Limits the connections of a process. A new connection replaces the longest idle one without a login, and is refused
 * when there is none: idle connections block nobody, and running requests are never cut.
 */
export class ConnectionGate {
  readonly #limits: ConnectionLimits;
  readonly #isProxy: (address: string | undefined) => boolean;
  readonly #connections = new Map<string, Connection>();
  /** Connections with requests, by the socket of the request. */
  readonly #known = new WeakMap<Socket, Connection>();
  readonly #perAddress = new Map<string, Neighbours>();
  /** Without a login and without a request; longest idle first. */
  readonly #idle = new Set<Connection>();
  #beforeLogin = 0;

  /** The limit per address does not apply to proxies. */
  constructor(limits: ConnectionLimits, isProxy: (address: string | undefined) => boolean) {
    this.#limits = limits;
    this.#isProxy = isProxy;
  }

  get count(): number {
    return this.#connections.size;
  }

  /** Accepts a new connection; false if there are too many and the caller must close it. */
  admit(socket: Socket): boolean {
    const remote = socket.remoteAddress;
    const address = networkOf(remote);
    const neighbours = this.#perAddress.get(address) ?? { count: 0, idle: new Set() };
    if (neighbours.count >= this.#limits.perAddress && !this.#isProxy(remote)) {
      if (!this.#closeOldest(neighbours.idle)) return false;
    }
    const full = this.count >= this.#limits.total || this.#beforeLogin >= this.#limits.beforeLogin;
    if (full && !this.#closeOldest(this.#idle)) return false;
    const connection = { socket, key: keyOf(socket), address, neighbours, running: 0, loggedIn: false };
    this.#connections.set(connection.key, connection);
    neighbours.count += 1;
    this.#perAddress.set(address, neighbours);
    this.#beforeLogin += 1;
    this.#setIdle(connection, true);
    socket.once('close', () => this.#forget(connection));
    return true;
  }

  /** Must be called when a request begins, and the returned function when the request has ended. */
  begin(socket: Socket): () => void {
    const connection = this.#find(socket);
    if (connection === undefined) return () => undefined;
    connection.running += 1;
    if (!connection.loggedIn) this.#setIdle(connection, false);
    return () => {
      connection.running -= 1;
      if (connection.running === 0) this.#rest(connection);
    };
  }

  /** Must be called when a request on the connection has logged in. */
  login(socket: Socket): void {
    const connection = this.#find(socket);
    if (connection === undefined || connection.loggedIn) return;
    connection.loggedIn = true;
    this.#beforeLogin -= 1;
    this.#setIdle(connection, false);
  }

  #find(socket: Socket): Connection | undefined {
    const known = this.#known.get(socket);
    if (known !== undefined) return known;
    const connection = this.#connections.get(keyOf(socket));
    if (connection !== undefined) this.#known.set(socket, connection);
    return connection;
  }

  #rest(connection: Connection): void {
    if (!connection.loggedIn && this.#connections.has(connection.key)) {
      this.#setIdle(connection, true);
    }
  }

  #setIdle(connection: Connection, isIdle: boolean): void {
    const { idle } = connection.neighbours;
    if (isIdle) {
      this.#idle.add(connection);
      idle.add(connection);
    } else {
      this.#idle.delete(connection);
      idle.delete(connection);
    }
  }

  #closeOldest(idle: ReadonlySet<Connection>): boolean {
    const [oldest] = idle;
    if (oldest === undefined) return false;
    this.#forget(oldest);
    oldest.socket.destroy();
    return true;
  }

  #forget(connection: Connection): void {
    if (!this.#connections.delete(connection.key)) return;
    this.#setIdle(connection, false);
    if (!connection.loggedIn) this.#beforeLogin -= 1;
    const { neighbours } = connection;
    neighbours.count -= 1;
    if (neighbours.count === 0) this.#perAddress.delete(connection.address);
  }
}

/** Returns the same key for a TCP connection and its TLS connection. */
function keyOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}
