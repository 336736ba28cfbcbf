import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { http as nodeHttp } from '../../lib/http/node-http.ts';
import { followRequest } from '../../lib/watchdog/work-under-way.ts';
import { createEngineApp } from './app.ts';
import type { EngineDeps } from './engine-deps.ts';
import { asksForH2c, isBuildkit, serveBuildkit } from './streams/buildkit-upgrade.ts';
import { mayUpgrade, serveUpgrade } from './streams/hijack.ts';
import { takeOverPlainRequests } from './streams/plain-takeover.ts';

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
  return serveEngine(
    deps,
    nodeHttp.createServer(SERVER_OPTIONS, createEngineApp(deps).callback()),
    'connection',
  );
}

/** What every server of the API has. */
export const SERVER_OPTIONS: ServerOptions = {
  // Logs, events and waits are silent as long as nothing happens.
  requestTimeout: 0,
  // X-Registry-Auth may hold tokens that are longer than what Node takes by itself.
  maxHeaderSize: 256 * 1024,
  keepAliveTimeout: 0,
  // An upgrade that nobody serves is an ordinary request, and gets its 404 or 501.
  shouldUpgradeCallback: (request) => mayUpgrade(request) || isBuildkit(request),
};

/**
 * Answers the API, and connections that clients take over, on a server that is given; `event` brings its connections in
 * plain text.
 */
export function serveEngine<S extends Server | TlsServer>(
  deps: EngineDeps,
  http: S,
  event: 'connection' | 'secureConnection',
): EngineServer<S> {
  const upgraded = new Set<Duplex>();
  const lastAnswers = new WeakMap<Duplex, ServerResponse>();
  const { work } = deps;
  const plain = takeOverPlainRequests(http, event, (request) => mayUpgrade(request) || asksForH2c(request));
  http.prependListener('request', (request: IncomingMessage, answer: ServerResponse) => {
    lastAnswers.set(request.socket, answer);
    if (work !== undefined) followRequest(work, request, answer);
  });
  http.on('upgrade', async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (plain.reopen(request, head)) return;
    if (work !== undefined) followRequest(work, request, socket);
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    socket.on('error', (error) => deps.log.debug({ err: error }, 'attached connection failed'));
    if (head.length > 0) socket.unshift(head);
    await untilSent(lastAnswers.get(request.socket));
    if (socket.destroyed) return;
    if (request.headers.expect?.toLowerCase() === '100-continue')
      socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    if (isBuildkit(request)) await serveBuildkit(deps, request, socket);
    else await serveUpgrade(deps, request, socket, plain.isPlain(request));
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

/** Waits for the answer to an earlier request of the connection, which the client may not have awaited. */
async function untilSent(answer: ServerResponse | undefined): Promise<void> {
  if (answer === undefined || answer.closed || answer.writableFinished) return;
  await new Promise<void>((resolve) => answer.once('close', resolve));
}
