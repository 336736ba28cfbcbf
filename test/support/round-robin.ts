import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CleanupScope, defer } from './cleanup.ts';

/** Milliseconds between two looks at /readyz of a server, and after which a look has failed. */
const PROBE_EVERY = 100;
const PROBE_TIME = 1_000;
/** Milliseconds after the last request at which polling stops: each poll makes a server query its database. */
const QUIET_AFTER = 2_000;

export interface RoundRobin {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly url: string;
  /** How many requests each server has got, in the order of the servers. */
  readonly counts: readonly number[];
}

/**
 * A load balancer: each request goes to the next server that says on /readyz that it is ready; after a while without
 * requests all are taken for ready. If a connection fails, the next server is tried; a request that was sent is
 * never sent again.
 */
export async function startRoundRobin(scope: CleanupScope, urls: readonly string[]): Promise<RoundRobin> {
  const servers = urls.map((url) => ({ url: new URL(url), ready: true }));
  const counts = urls.map(() => 0);
  let turn = 0;
  let askedAt = Number.NEGATIVE_INFINITY;
  const next = () => {
    const ready = servers.filter((server) => server.ready);
    const among = ready.length > 0 ? ready : servers;
    const server = among[turn++ % among.length];
    if (server === undefined) throw new Error('there are no servers');
    return server;
  };

  const answer = async (req: IncomingMessage, res: ServerResponse) => {
    askedAt = performance.now();
    for (let attempt = 0; attempt < 5 * servers.length; attempt += 1) {
      const server = next();
      const socket = await connected(server.url);
      if (socket === undefined) {
        server.ready = false;
        await sleep(20);
        continue;
      }
      const index = servers.indexOf(server);
      counts[index] = (counts[index] ?? 0) + 1;
      forward(req, res, socket);
      return;
    }
    res.writeHead(502, { 'X-Balancer': 'no server takes connections' }).end();
  };
  // What is too large is for the servers to refuse.
  const proxy = createServer({ maxHeaderSize: 1_000_000 }, answer).on('checkContinue', answer);
  proxy.requestTimeout = 0;
  // Whoever waits between two requests shall not write to a connection that is being closed.
  proxy.keepAliveTimeout = 10 * 60 * 1000;
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address();
  if (address === null || typeof address === 'string') throw new Error('the balancer has no port');

  const stopped = new AbortController();
  const probing = servers.map(async (server) => {
    while (!stopped.signal.aborted) {
      const isQuiet = performance.now() - askedAt > QUIET_AFTER;
      server.ready = isQuiet || (await isReady(server.url));
      await sleep(PROBE_EVERY, undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  });
  defer(scope, async () => {
    stopped.abort();
    proxy.closeAllConnections();
    await Promise.all([...probing, new Promise((resolve) => proxy.close(resolve))]);
  });
  const host = `127.0.0.1:${address.port}`;
  return { host, url: `http://${host}`, counts };
}

/** A connection, or undefined when none can be made. */
function connected({ hostname, port }: URL): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.once('connect', () => resolve(socket)).once('error', () => resolve(undefined));
  });
}

function forward(req: IncomingMessage, res: ServerResponse, socket: Socket): void {
  const { method, url: path, rawHeaders: headers } = req;
  const upstream = request({
    method,
    path,
    headers,
    setDefaultHeaders: false,
    createConnection: () => socket,
  });
  const fail = () => {
    if (res.headersSent) res.destroy();
    else res.writeHead(502, { 'X-Balancer': 'the server broke the connection' }).end();
  };
  upstream.on('continue', () => res.writeContinue());
  upstream.on('error', fail);
  upstream.on('response', (response) => {
    res.writeHead(response.statusCode ?? 502, response.headers);
    response.on('error', fail).on('aborted', fail);
    response.pipe(res);
  });
  res.on('close', () => {
    if (!res.writableFinished) upstream.destroy();
  });
  req.pipe(upstream);
}

function isReady(base: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request(new URL('/readyz', base), { agent: false, timeout: PROBE_TIME }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    probe.on('timeout', () => probe.destroy());
    probe.on('error', () => resolve(false)).end();
  });
}
