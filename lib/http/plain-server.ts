import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import { listen } from './listen.ts';
import { http } from './node-http.ts';

/** Headers of every answer: browsers must not guess content types. */
export const COMMON_HEADERS = { 'X-Content-Type-Options': 'nosniff' } as const;

/** A complete answer. */
export interface PlainAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers?: OutgoingHttpHeaders;
}

const TEXT = 'text/plain; charset=utf-8';
const MALFORMED = 'this is not an HTTP request\n';

/**
 * Creates an HTTP server that reads only the first line and headers of requests. All its answers have COMMON_HEADERS. `answer`
 * must not throw or reject.
 */
export function createPlainServer(
  options: ServerOptions,
  answer: (req: IncomingMessage) => PlainAnswer | Promise<PlainAnswer>,
): Server {
  const server = http.createServer({ ...options, requireHostHeader: false });
  for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) {
    server.on(event, async (req, res) => {
      const { status, body, headers } = await answer(req);
      const length = Buffer.byteLength(body);
      res.writeHead(status, {
        ...COMMON_HEADERS,
        'Content-Type': TEXT,
        'Content-Length': length,
        ...headers,
      });
      res.end(req.method === 'HEAD' ? undefined : body);
    });
  }
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else socket.end(malformedAnswer(), () => socket.destroy());
  });
  return server;
}

/** A plain server that is listening. */
export interface PlainListener {
  readonly port: number;
  /** Cuts all connections; resolves when they are closed. */
  close(): Promise<void>;
}

/** Listens; the system chooses the port when `port` is 0. Rejects with the system's error. */
export async function listenPlain(
  server: Server,
  address: { readonly host: string; readonly port: number },
): Promise<PlainListener> {
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

function malformedAnswer(): string {
  const headers = {
    ...COMMON_HEADERS,
    'Content-Type': TEXT,
    'Content-Length': Buffer.byteLength(MALFORMED),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return ['HTTP/1.1 400 Bad Request', ...lines, '', MALFORMED].join('\r\n');
}
