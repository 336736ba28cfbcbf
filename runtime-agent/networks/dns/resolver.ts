import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import type { ResolverSockets } from '../kernel/network-jobs.ts';
import { answerQuery, type Names } from './answer-query.ts';
import { DNS_CODE, emptyAnswer, fitUdp } from './dns-message.ts';
import { forwardQuery } from './forward-query.ts';
import { framed, readFrames } from './tcp-frames.ts';

/** Queries of one container that wait for other servers; dockerd's limit is the same. */
const MAX_FORWARDED = 1024;
/** Milliseconds after which a silent connection is closed. */
const IDLE = 10_000;

/** What a resolver answers with. */
export interface ResolverSource extends Names {
  /** Servers for all other names; empty: such names are answered with a failure, as in a network without a way out. */
  upstream(): readonly string[];
}

/** Answers the DNS queries of one container, on sockets that lie in its namespace. */
export class Resolver {
  readonly #source: ResolverSource;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #connections = new Set<Socket>();
  readonly #closing = new AbortController();
  #forwarded = 0;

  /** Takes the descriptors over. */
  constructor(sockets: ResolverSockets, source: ResolverSource) {
    this.#source = source;
    this.#udp = createSocket('udp4');
    this.#udp.on('message', (query, { address, port }) => {
      void this.#answer(query, 'udp').then((reply) => {
        if (!this.#closing.signal.aborted) this.#udp.send(reply, port, address, () => undefined);
      });
    });
    this.#udp.on('error', () => undefined);
    this.#udp.bind({ fd: sockets.udp, exclusive: true });
    this.#udp.unref();
    // A client may close its side as soon as it has asked.
    this.#tcp = createServer({ allowHalfOpen: true }, (connection) => void this.#serve(connection));
    this.#tcp.on('error', () => undefined);
    this.#tcp.listen({ fd: sockets.tcp });
    this.#tcp.unref();
  }

  close(): void {
    this.#closing.abort();
    this.#udp.close();
    this.#tcp.close();
    for (const connection of this.#connections) connection.destroy();
  }

  async #serve(connection: Socket): Promise<void> {
    this.#connections.add(connection);
    connection.once('close', () => this.#connections.delete(connection));
    connection.on('error', () => undefined);
    connection.setTimeout(IDLE, () => connection.destroy());
    try {
      for await (const query of readFrames(connection.iterator({ destroyOnReturn: false }))) {
        connection.write(framed(await this.#answer(query, 'tcp')));
      }
      connection.end();
    } catch {
      // The container's program went away.
      connection.destroy();
    }
  }

  async #answer(query: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer> {
    const known = answerQuery(query, this.#source);
    if (known !== undefined) return protocol === 'udp' ? fitUdp(query, known) : known;
    if (this.#forwarded >= MAX_FORWARDED) return emptyAnswer(query, DNS_CODE.refused);
    this.#forwarded += 1;
    try {
      return await forwardQuery(query, this.#source.upstream(), protocol, this.#closing.signal);
    } finally {
      this.#forwarded -= 1;
    }
  }
}
