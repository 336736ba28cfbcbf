import { COMMON_HEADERS } from '../http/common-headers.ts';
import type { ConnectionGate } from '../http/connection-limits.ts';
import { isHost } from '../http/forwarded.ts';
import { listen } from '../http/listen.ts';
import { http } from '../http/node-http.ts';

/** Milliseconds in which a client must have sent its request. */
const REQUEST_TIMEOUT = 10_000;

/** The listener that sends clients of plain HTTP to HTTPS. */
export interface RedirectServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Answers every request by a redirect to the same host and path by HTTPS on `securePort`, which keeps the method (RFC 9110,
 * section 15.4.9). `gate` bounds its connections together with those of the registry. Nothing is read of what clients send. Rejects with the system's error when it cannot listen.
 */
export async function startRedirectServer(
  address: { readonly host: string; readonly port: number },
  securePort: number,
  gate: ConnectionGate,
): Promise<RedirectServer> {
  const server = http.createServer(
    { requestTimeout: REQUEST_TIMEOUT, headersTimeout: REQUEST_TIMEOUT },
    (req, res) => {
      const host = req.headers.host ?? '';
      const path = req.url ?? '';
      const known = isHost(host) && path.startsWith('/');
      const name = host.replace(/:\d+$/, '');
      const body = known ? 'this registry speaks HTTPS\n' : 'name the host, and a path\n';
      res.writeHead(known ? 308 : 400, {
        ...COMMON_HEADERS,
        'Content-Type': 'text/plain; charset=utf-8',
        'Content-Length': Buffer.byteLength(body),
        Connection: 'close',
        ...(known && { Location: `https://${name}${securePort === 443 ? '' : `:${securePort}`}${path}` }),
      });
      res.end(req.method === 'HEAD' ? undefined : body);
    },
  );
  server.on('connection', (socket) => {
    if (!gate.admit(socket)) socket.destroy();
  });
  const port = await listen(server, address);
  return {
    port,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
