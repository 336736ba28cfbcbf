import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { Logger } from 'pino';
import { ConfigError } from '../../lib/settings/config-error.ts';
import type { TcpConfig } from '../config.ts';
import type { EngineDeps } from '../engine-api/engine-deps.ts';
import {
  createEngineApp,
  type EngineServer,
  SERVER_OPTIONS,
  serveEngine,
} from '../engine-api/engine-server.ts';

/** The API over TCP, until it is closed. */
export interface TcpListener {
  /** `HOST:PORT`, with the port that was chosen for 0. */
  readonly address: string;
  close(grace: number): Promise<void>;
}

/**
 * Serves the API over TCP to clients with a certificate. SIGHUP reloads the files; if they cannot be used, the last
 * good ones stay. Throws ConfigError.
 */
export async function listenTcp(config: TcpConfig, deps: EngineDeps, log: Logger): Promise<TcpListener> {
  const server = createMutualTlsEngineServer(deps, await readFiles(config));
  const { http } = server;
  http.on('tlsClientError', (error) => log.debug({ err: error }, 'a TLS client was turned away'));
  http.listen({ host: config.host, port: config.port });
  await once(http, 'listening').catch((error: Error) => {
    throw new ConfigError(`--listen ${config.host}:${config.port} cannot be used: ${error.message}.`, {
      cause: error,
    });
  });
  const reload = () => void replaceFiles();
  process.on('SIGHUP', reload);

  async function replaceFiles(): Promise<void> {
    try {
      http.setSecureContext(await readFiles(config));
      log.info({ certificate: config.certificate }, 'the certificates have been read again');
    } catch (error) {
      log.error({ err: error }, 'the last good certificates stay in use');
    }
  }

  const address = http.address();
  const port = typeof address === 'object' && address !== null ? address.port : config.port;
  return {
    address: `${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`,
    close: async (grace) => {
      process.off('SIGHUP', reload);
      await server.close(grace);
    },
  };
}

async function readFiles(config: TcpConfig) {
  const [ca, cert, key] = await Promise.all([config.authority, config.certificate, config.key].map(readPem));
  if (ca === undefined || cert === undefined || key === undefined) throw new Error('three files are read');
  try {
    createSecureContext({ ca, cert, key });
  } catch (error) {
    throw new ConfigError(
      `${config.certificate} and ${config.key} are no certificate with its private key, or ${config.authority} no authority: ${(error as Error).message}.`,
      { cause: error },
    );
  }
  const { validTo } = new X509Certificate(cert);
  if (Date.parse(validTo) < Date.now()) {
    throw new ConfigError(`the certificate in ${config.certificate} expired on ${validTo}: renew it.`);
  }
  return { ca, cert, key };
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`${path} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
}

/** Creates the server for TCP: a client without a certificate of the authority (`ca`) gets no answer. */
function createMutualTlsEngineServer(
  deps: EngineDeps,
  certificates: Required<Pick<SecureContextOptions, 'ca' | 'cert' | 'key'>>,
): EngineServer<Server> {
  const options = { ...SERVER_OPTIONS, ...certificates, requestCert: true, rejectUnauthorized: true };
  const http = createServer(options, createEngineApp(deps).callback());
  // As with plain HTTP, the CLI half-closes an attached connection at once and continues reading. This is set per
  // connection: as an option of the server, a client that leaves during the handshake would leave its socket open.
  http.on('secureConnection', (socket) => {
    socket.allowHalfOpen = true;
  });
  return serveEngine(deps, http, 'secureConnection');
}
