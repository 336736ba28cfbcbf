import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { listen } from '../../lib/http/listen.ts';
import { http, https } from '../../lib/http/node-http.ts';
import { COMMON_HEADERS } from '../../lib/http/plain-server.ts';
import { REQUEST_ID_HEADER, requestIdOf } from '../../lib/http/request-id.ts';
import type { ConnectionGate } from './connection-limits.ts';
import { asksForWebSocket, offerUpgrade } from './upgrades.ts';

/** Timeout for a client to send all headers of a request. */
const HEADERS_TIMEOUT_MS = 60_000;
/** More than the minute for which proxies keep idle connections, so that they never write to a closed one. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
const STALLED_TIMEOUT_MS = 120_000;
/** Time for which existing connections are awaited after new ones are refused: a request may be in transit. */
const LINGER_MS = 200;
/** Pieces of the wait, so that a stall of the process counts as only one of them: clients had no answers meanwhile. */
const LINGER_PIECES = 10;
/** Timeout of a TLS handshake. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

export interface HttpServerOptions {
  readonly handle: (req: IncomingMessage, res: ServerResponse) => void;
  /** Returns the whole answer, including its status line, to bytes that are not an HTTP request. */
  readonly malformedAnswer: (error: NodeJS.ErrnoException) => string;
  /**
   * Milliseconds without progress after which a connection is cut, if the client has bytes to send or to read; two
   * minutes by default.
   */
  readonly stalledTimeoutMs?: number;
  /** Milliseconds in which all headers of a request must arrive; one minute by default. */
  readonly headersTimeoutMs?: number;
  /** Makes the system ignore new connections, while established ones are still accepted; nothing by default. */
  readonly dropConnecting?: (server: Server | SecureServer) => void;
  /** Limits the connections; if absent, there is no limit. */
  readonly gate?: ConnectionGate;
  /** PEM texts; absent for plain HTTP. */
  readonly certificate?: { readonly cert: string; readonly key: string };
  /**
   * Whether `handle` may take over the connection of this request for a WebSocket, by takeUpgrade; never by default.
   */
  readonly mayUpgrade?: (req: IncomingMessage) => boolean;
}

/** An HTTP server for long transfers: no limit on the time of a request as long as bytes move. */
export class HttpServer {
  readonly #server: Server | SecureServer;
  readonly #running = new Set<ServerResponse>();
  /** Connections of requests for another protocol. */
  readonly #upgrading = new Set<Socket>();
  readonly #stalledTimeoutMs: number;
  readonly #dropConnecting: HttpServerOptions['dropConnecting'];
  #state: 'serving' | 'leaving' | 'draining' = 'serving';
  #whenIdle: (() => void) | undefined;

  constructor(options: HttpServerOptions) {
    this.#dropConnecting = options.dropConnecting;
    this.#stalledTimeoutMs = options.stalledTimeoutMs ?? STALLED_TIMEOUT_MS;
    const onRequest = (req: IncomingMessage, res: ServerResponse) => {
      this.#track(res, options.gate?.begin(req.socket));
      if (this.#state !== 'serving') res.shouldKeepAlive = false;
      const fault = faultOf(req);
      if (fault !== undefined) refuseMalformed(res, options.malformedAnswer(fault));
      else options.handle(req, res);
    };
    const headersTimeout = options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS;
    const settings = {
      requestTimeout: 0,
      headersTimeout,
      connectionsCheckingInterval: headersTimeout / 2,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      noDelay: true,
      // Node's own answer would lack the usual headers.
      requireHostHeader: false,
      shouldUpgradeCallback: (req: IncomingMessage) =>
        asksForWebSocket(req) && options.mayUpgrade?.(req) === true,
    };
    this.#server =
      options.certificate === undefined
        ? http.createServer(settings, onRequest)
        : https().createServer(
            { ...settings, ...options.certificate, handshakeTimeout: HANDSHAKE_TIMEOUT_MS },
            onRequest,
          );
    const { gate } = options;
    if (gate !== undefined) {
      this.#server.on('connection', (socket: Socket) => {
        if (gate.admit(socket)) return;
        if (options.certificate === undefined) socket.write(options.malformedAnswer(TOO_MANY_CONNECTIONS));
        socket.destroySoon();
      });
    }
    if (options.certificate !== undefined) answerPlainHttp(this.#server, options.malformedAnswer);
    // Node would send `100 Continue` itself; here the reader of the body decides.
    this.#server.on('checkContinue', onRequest);
    this.#server.on('checkExpectation', onRequest);
    this.#server.on('upgrade', (req, socket: Socket, head) => {
      this.#followUpgrade(socket);
      onRequest(req, offerUpgrade(req, { socket, head }));
    });
    this.#server.setTimeout(this.#stalledTimeoutMs, (socket: Socket) => this.#onStalled(socket));
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
      else socket.end(options.malformedAnswer(error));
    });
  }

  /** True when `drain` has closed idle connections: further requests must be refused. */
  get draining(): boolean {
    return this.#state === 'draining';
  }

  /** True once `leave` or `drain` was called: new requests should go elsewhere. */
  get leaving(): boolean {
    return this.#state !== 'serving';
  }

  /** Continues to serve, but closes every connection after its next answer. */
  leave(): void {
    this.#state = 'leaving';
    for (const res of this.#running) if (!res.headersSent) res.shouldKeepAlive = false;
  }

  /** Uses this certificate for new connections; only if there was one from the start. */
  useCertificate(certificate: NonNullable<HttpServerOptions['certificate']>): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext(certificate);
  }

  /**
   * Listens, and resolves with the port, which the system chooses when `port` is 0. Rejects with the system's error.
   */
  listen(host: string, port: number): Promise<number> {
    return listen(this.#server, { host, port });
  }

  /** Number of requests that have not ended. */
  get running(): number {
    return this.#running.size;
  }

  /**
   * Accepts no new connections, finishes running requests and closes idle connections after a moment: a client that has
   * just sent a request gets its last answer. After `graceMs` the rest is cut, including every upgraded connection,
   * which should be ended before. Resolves to whether everything could finish.
   */
  async drain(graceMs: number): Promise<boolean> {
    this.leave();
    const ended = new AbortController();
    const after = (time: number) => sleep(time, 'late', { signal: ended.signal }).catch(() => 'late');
    const late = after(graceMs);
    this.#dropConnecting?.(this.#server);
    await turn();
    if (await this.#hasConnections()) {
      const deadline = performance.now() + graceMs;
      for (let piece = 0; piece < LINGER_PIECES && performance.now() <= deadline; piece += 1) {
        await after(Math.min(LINGER_MS, graceMs) / LINGER_PIECES);
        // After a stall the time is over before the waiting input was read.
        await turn();
      }
    }
    this.#state = 'draining';
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const idle = new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
      if (this.#running.size === 0) resolve();
    });
    const outcome = await Promise.race([idle, late]);
    ended.abort();
    this.#server.closeAllConnections();
    for (const socket of this.#upgrading) socket.destroy();
    await closed;
    return outcome !== 'late';
  }

  async #hasConnections(): Promise<boolean> {
    const count = await new Promise((resolve) =>
      this.#server.getConnections((_error, found) => resolve(found)),
    );
    return count !== 0;
  }

  #track(res: ServerResponse, ended: (() => void) | undefined): void {
    this.#running.add(res);
    // It is emitted once; `once` costs a wrapper that removes itself.
    res.on('close', () => {
      ended?.();
      this.#running.delete(res);
      if (this.#state === 'draining' && this.#running.size === 0) this.#whenIdle?.();
    });
  }

  /**
   * Watches such a connection, since Node no longer does: nothing else would handle its errors, or notice that it
   * stalls.
   */
  #followUpgrade(socket: Socket): void {
    this.#upgrading.add(socket);
    socket.once('close', () => this.#upgrading.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(this.#stalledTimeoutMs, () => socket.destroy());
  }

  #onStalled(socket: Socket): void {
    const response = [...this.#running].find((res) => res.socket === socket);
    // While this side works (a commit that hashes gigabytes) no bytes move, which is not the client's fault.
    const working = response?.req.complete && !response.headersSent;
    if (working) socket.setTimeout(this.#stalledTimeoutMs);
    else socket.destroy();
  }
}

/** Headers of which Node uses the first, and a proxy in front perhaps the last. Node itself refuses two lengths. */
const SINGLE_HEADERS = ['host', 'authorization', 'content-type', 'content-range', 'range', 'expect'] as const;
/** One bit for each of them. */
const SINGLE_BITS: ReadonlyMap<string, number> = new Map(SINGLE_HEADERS.map((name, bit) => [name, 1 << bit]));
const SINGLE_LENGTHS: ReadonlySet<number> = new Set(SINGLE_HEADERS.map((name) => name.length));
const HOST = 1 << SINGLE_HEADERS.indexOf('host');
const EXPECT = 1 << SINGLE_HEADERS.indexOf('expect');

/** The only defined expectation (RFC 9110, section 10.1.1). */
const CONTINUE = '100-continue';
const REPEATED_HEADER = Object.assign(new Error('a header is repeated'), { code: 'ERR_REPEATED_HEADER' });
const MISSING_HOST = Object.assign(new Error('there is no Host header'), { code: 'ERR_MISSING_HOST' });
const UNKNOWN_EXPECTATION = Object.assign(new Error('the expectation is not known'), {
  code: 'ERR_UNKNOWN_EXPECTATION',
});
const TOO_MANY_CONNECTIONS = Object.assign(new Error('there are too many connections'), {
  code: 'ERR_TOO_MANY_CONNECTIONS',
});

/**
 * Returns what is wrong with the headers of any request: no Host, or a repeated header that must occur once (RFC 9110,
 * section 5.3; RFC 9112, section 3.2). It reads the raw headers: building an object of them takes a tenth of a small
 * request.
 */
function faultOf(req: IncomingMessage): NodeJS.ErrnoException | undefined {
  const { rawHeaders } = req;
  let seen = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (!SINGLE_LENGTHS.has(name.length)) continue;
    const bit = SINGLE_BITS.get(name.toLowerCase()) ?? 0;
    if ((seen & bit) !== 0) return REPEATED_HEADER;
    seen |= bit;
  }
  if ((seen & HOST) === 0 && req.httpVersion === '1.1') return MISSING_HOST;
  if ((seen & EXPECT) === 0) return undefined;
  return req.headers.expect?.toLowerCase() === CONTINUE ? undefined : UNKNOWN_EXPECTATION;
}

/** Sends a complete answer after those of earlier requests on the connection, and ends it. */
function refuseMalformed(res: ServerResponse, answer: string): void {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 400);
  res.writeHead(status, {
    ...COMMON_HEADERS,
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    [REQUEST_ID_HEADER]: requestIdOf(res.req),
    Connection: 'close',
  });
  res.end(body);
}

/**
 * Tells clients of plain HTTP that this port speaks HTTPS. After a failed handshake the connection can be written to
 * below TLS until the event handler returns.
 */
function answerPlainHttp(
  server: Server | SecureServer,
  malformedAnswer: HttpServerOptions['malformedAnswer'],
): void {
  const connections = new Map<string, Socket>();
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket);
    connections.set(peer, socket);
    socket.once('close', () => connections.delete(peer));
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, secure: Socket) => {
    if (error.code !== 'ERR_SSL_HTTP_REQUEST') return;
    connections.get(peerOf(secure))?.end(malformedAnswer(error));
  });
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
