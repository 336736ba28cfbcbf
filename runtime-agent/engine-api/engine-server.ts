import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { createEngineApp } from './app.ts';
import type { EngineDeps } from './engine-deps.ts';
import { mayUpgrade, serveUpgrade } from './streams/hijack.ts';

/** An HTTP server of the Engine API that listens nowhere yet. */
export interface EngineServer {
  readonly http: Server;
  /**
   * Takes no more connections, and returns when those that are open have ended; what has not after `grace`
   * milliseconds is cut. The caller aborts `deps.stopping` first, which ends the streams.
   */
  close(grace: number): Promise<void>;
}

export function createEngineServer(deps: EngineDeps): EngineServer {
  const upgraded = new Set<Duplex>();
  const http = createServer(
    {
      // Logs, events and waits are silent as long as nothing happens.
      requestTimeout: 0,
      // X-Registry-Auth may hold tokens that are longer than what Node takes by itself.
      maxHeaderSize: 256 * 1024,
      keepAliveTimeout: 0,
      // An upgrade that nobody serves is an ordinary request, and gets its 404 or 501.
      shouldUpgradeCallback: mayUpgrade,
    },
    createEngineApp(deps).callback(),
  );
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    socket.on('error', (error) => deps.log.debug({ err: error }, 'attached connection failed'));
    if (head.length > 0) socket.unshift(head);
    void serveUpgrade(deps, request, socket);
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
