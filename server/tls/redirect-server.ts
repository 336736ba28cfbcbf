import { createPlainServer, listenPlain, type PlainListener } from '../../lib/http/plain-server.ts';
import { REQUEST_ID_HEADER, requestIdOf } from '../../lib/http/request-id.ts';
import type { ConnectionGate } from '../http/connection-limits.ts';
import { isHost } from '../http/forwarded.ts';

/** Milliseconds in which a client must have sent its request. */
const REQUEST_TIMEOUT = 10_000;

/**
 * Redirects every request to the same host and path by HTTPS on `securePort`, keeping the method (RFC 9110, section
 * 15.4.9). `gate` limits its connections together with those of the registry. Bodies of requests are not read. Rejects
 * with the system's error when it cannot listen.
 */
export async function startRedirectServer(
  address: { readonly host: string; readonly port: number },
  securePort: number,
  gate: ConnectionGate,
): Promise<PlainListener> {
  const timeouts = { requestTimeout: REQUEST_TIMEOUT, headersTimeout: REQUEST_TIMEOUT };
  const server = createPlainServer(timeouts, (req) => {
    const {
      headers: { host = '' },
      url = '',
    } = req;
    const common = { Connection: 'close', [REQUEST_ID_HEADER]: requestIdOf(req) };
    if (!isHost(host) || !url.startsWith('/')) {
      return { status: 400, body: 'name the host, and a path\n', headers: common };
    }
    const port = securePort === 443 ? '' : `:${securePort}`;
    const location = `https://${host.replace(/:\d+$/, '')}${port}${url}`;
    return { status: 308, body: 'this registry speaks HTTPS\n', headers: { ...common, Location: location } };
  });
  server.on('connection', (socket) => {
    if (!gate.admit(socket)) socket.destroy();
  });
  return listenPlain(server, address);
}
