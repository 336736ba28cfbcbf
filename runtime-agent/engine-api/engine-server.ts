import type { IncomingMessage, Server, ServerOptions } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import { http as nodeHttp } from '../node-http.ts';
import { createEngineApp } from './app.ts';
import type { EngineDeps } from './engine-deps.ts';
import { isBuildkit, serveBuildkit } from './streams/buildkit-upgrade.ts';
import { mayUpgrade, serveUpgrade } from './streams/hijack.ts';

/** An HTTP server of the Engine API that listens nowhere yet. */
export interface EngineServer<S extends Server | TlsServer = Server> {
  readonly http: S;
  /**
   * Takes no more connections, and returns when those that are open have ended; what has not after `grace`
   * milliseconds is cut. The caller aborts `deps.stopping` first, which ends the streams.
   */
  close(grace: number): Promise<void>;
}

/** By plain HTTP, for a socket whose file says who may use it. */
export function createEngineServer(deps: EngineDeps): EngineServer {
  return serveEngine(deps, nodeHttp.createServer(SERVER_OPTIONS, createEngineApp(deps).callback()));
}

/** For TCP: a client without a certificate that the authority (`ca`) vouches for gets no answer. */
export function createMutualTlsEngineServer(
  deps: EngineDeps,
  certificates: Required<Pick<SecureContextOptions, 'ca' | 'cert' | 'key'>>,
): EngineServer<TlsServer> {
  const options = { ...SERVER_OPTIONS, ...certificates, requestCert: true, rejectUnauthorized: true };
  const http = createTlsServer(options, createEngineApp(deps).callback());
  // As plain HTTP has it: the CLI closes its side of an attached connection at once, and reads on. Not as an option of
  // the server, where a client that leaves during the handshake would stay.
  http.on('secureConnection', (socket) => {
    socket.allowHalfOpen = true;
  });
  return serveEngine(deps, http);
}

const SERVER_OPTIONS: ServerOptions = {
  // Logs, events and waits are silent as long as nothing happens.
  requestTimeout: 0,
  // X-Registry-Auth may hold tokens that are longer than what Node takes by itself.
  maxHeaderSize: 256 * 1024,
  keepAliveTimeout: 0,
  // An upgrade that nobody serves is an ordinary request, and gets its 404 or 501.
  shouldUpgradeCallback: (request) => mayUpgrade(request) || isBuildkit(request),
};

function serveEngine<S extends Server | TlsServer>(deps: EngineDeps, http: S): EngineServer<S> {
  const upgraded = new Set<Duplex>();
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    socket.on('error', (error) => deps.log.debug({ err: error }, 'attached connection failed'));
    if (head.length > 0) socket.unshift(head);
    if (isBuildkit(request)) void serveBuildkit(deps, request, socket);
    else void serveUpgrade(deps, request, socket);
  });
  return {
    http,
    async close(grace) {
      const closed = new Promise<void>((resolve) => http.close(() => resolve()));
      const idle = setInterval(() => http.closeIdleConnections(), 50);
      const cut = setTimeout(() => {
        http.closeAllConnections();
        for (const socket of upgraded) socket.destroy();
      }, grace);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
    },
  };
}
