import { createServer, type Server } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import { createEngineApp } from './app.ts';
import type { EngineDeps } from './engine-deps.ts';
import { type EngineServer, SERVER_OPTIONS, serveEngine } from './engine-server.ts';

/** For TCP: a client without a certificate that the authority (`ca`) vouches for gets no answer. */
export function createMutualTlsEngineServer(
  deps: EngineDeps,
  certificates: Required<Pick<SecureContextOptions, 'ca' | 'cert' | 'key'>>,
): EngineServer<Server> {
  const options = { ...SERVER_OPTIONS, ...certificates, requestCert: true, rejectUnauthorized: true };
  const http = createServer(options, createEngineApp(deps).callback());
  // As plain HTTP has it: the CLI closes its side of an attached connection at once, and reads on. Not as an option of
  // the server, where a client that leaves during the handshake would stay.
  http.on('secureConnection', (socket) => {
    socket.allowHalfOpen = true;
  });
  return serveEngine(deps, http, 'secureConnection');
}
