import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { ResolverSockets } from '../kernel/kernel.ts';
import { answerQuery, type Names } from './answer-query.ts';
import { DNS_CODE, emptyAnswer, fitUdp } from './dns-message.ts';
import { forwardQuery, framed, readFrames } from './forward-query.ts';
import { DNS_LIMITS, QueryBudget, type Shares } from './limits.ts';

/** The sources of a resolver. */
export interface ResolverSource extends Names {
  /**
   * Returns the servers for all other names; if empty, such names are answered with a failure, as in a network without
   * outside access.
   */
  upstream(): readonly string[];
}

/** State that the resolvers of all containers share. */
export interface ResolverShares {
  readonly connections: Shares;
  readonly forwarded: Shares;
}

/** Answers the DNS queries of one container, on sockets in its namespace. */
export class Resolver {
  readonly #id: string;
  readonly #source: ResolverSource;
  readonly #shares: ResolverShares;
  readonly #budget = new QueryBudget(DNS_LIMITS.queriesPerSecond, DNS_LIMITS.queriesAtOnce);
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #connections = new Set<Socket>();
  readonly #closing = new AbortController();

  /** Takes ownership of the descriptors. */
  constructor(id: string, sockets: ResolverSockets, source: ResolverSource, shares: ResolverShares) {
    this.#id = id;
    this.#source = source;
    this.#shares = shares;
    this.#udp = createSocket('udp4');
    this.#udp.on('message', (query, { address, port }) => {
      // A client without an answer retries. Unread queries wait in the kernel, which eventually drops them.
      if (this.#udp.getSendQueueSize() > DNS_LIMITS.waitingBytes || this.#budget.take() > 0) return;
      void this.#answer(query, 'udp').then((reply) => {
        if (!this.#closing.signal.aborted) this.#udp.send(reply, port, address, () => undefined);
      });
    });
    this.#udp.on('error', () => undefined);
    this.#udp.bind({ fd: sockets.udp, exclusive: true });
    // A client may close its side as soon as it has sent its query.
    this.#tcp = createServer({ allowHalfOpen: true }, (connection) => void this.#serve(connection));
    this.#tcp.on('error', () => undefined);
    this.#tcp.listen({ fd: sockets.tcp });
  }

  close(): void {
    this.#closing.abort();
    this.#udp.close();
    this.#tcp.close();
    for (const connection of this.#connections) connection.destroy();
  }

  async #serve(connection: Socket): Promise<void> {
    connection.on('error', () => undefined);
    if (!this.#shares.connections.take(this.#id)) {
      connection.destroy();
      return;
    }
    this.#connections.add(connection);
    connection.once('close', () => {
      this.#connections.delete(connection);
      this.#shares.connections.giveBack(this.#id);
    });
    connection.setTimeout(DNS_LIMITS.idle, () => connection.destroy());
    try {
      await serveConnection(connection, this.#budget, (query) => this.#answer(query, 'tcp'));
      connection.end();
    } catch {
      // The container's program went away.
      connection.destroy();
    }
  }

  async #answer(query: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer> {
    const known = answerQuery(query, this.#source);
    if (known !== undefined) return protocol === 'udp' ? fitUdp(query, known) : known;
    if (!this.#shares.forwarded.take(this.#id)) return emptyAnswer(query, DNS_CODE.refused);
    try {
      return await forwardQuery(query, this.#source.upstream(), protocol, this.#closing.signal);
    } finally {
      this.#shares.forwarded.giveBack(this.#id);
    }
  }
}

/** Queries after which the other containers of the thread have their turn. */
const TURN = 32;

/**
 * Answers the queries of one connection in order, until its client ends it. The next query is read once the answer was
 * accepted: a client that sends without reading occupies at most its last query and a socket's buffer. Rejects when the
 * connection breaks or sends anything but a query.
 */
export async function serveConnection(
  connection: Duplex,
  budget: QueryBudget,
  answer: (query: Buffer) => Promise<Buffer>,
): Promise<void> {
  const closed = new AbortController();
  connection.once('close', () => closed.abort());
  let answered = 0;
  for await (const query of readFrames(
    connection.iterator({ destroyOnReturn: false }),
    DNS_LIMITS.queryBytes,
  )) {
    for (let wait = budget.take(); wait > 0; wait = budget.take()) {
      await sleep(wait, undefined, { signal: closed.signal });
    }
    const isTaken = connection.write(framed(await answer(query)));
    if (!isTaken) await once(connection, 'drain', { signal: closed.signal });
    answered += 1;
    if (answered % TURN === 0) await nextTurn();
  }
}
