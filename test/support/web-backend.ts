import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { BackendAddress } from '../../runtime-agent/fleet/ingress/ingress.ts';
import { type CleanupScope, defer } from './cleanup.ts';

/** A server of HTTP as an instance of a service is one. */
export interface WebBackend extends BackendAddress {
  readonly name: string;
  /** Requests that have arrived. */
  requests(): number;
  /** Ends it at once, with its connections. */
  stop(): Promise<void>;
}

/** What a request to `/headers` is told, as JSON. */
export interface SeenRequest {
  readonly name: string;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
}

/**
 * Starts a backend in this process. It answers its name in the header `x-backend` and the request as JSON; `?ms=N` in the path
 * delays the answer; a WebSocket gets back its name and each message.
 */
export async function startWebBackend(
  scope: CleanupScope,
  name: string,
  address = '127.0.0.1',
): Promise<WebBackend> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    const delay = Number(new URL(request.url ?? '/', 'http://backend').searchParams.get('ms') ?? 0);
    const { method = '', url = '', headers } = request;
    const seen: SeenRequest = { name, method, url, headers };
    request.resume();
    request.once('end', () =>
      setTimeout(() => {
        response.writeHead(200, { 'x-backend': name, 'content-type': 'application/json' });
        response.end(JSON.stringify(seen));
      }, delay),
    );
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => {
    socket.on('error', () => undefined);
    socket.on('message', (message) => socket.send(`${name}: ${message}`));
  });
  server.listen(0, address);
  await once(server, 'listening');
  const stop = async () => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  defer(scope, stop);
  return { name, address, port: (server.address() as AddressInfo).port, requests: () => requests, stop };
}
