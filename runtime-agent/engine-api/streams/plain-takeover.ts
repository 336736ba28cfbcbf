import type { IncomingMessage, Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';

/** What Node's HTTP server keeps at a connection; it has no documented way to stop parsing after a request's head. */
interface ParsedSocket {
  readonly parser?: { onIncoming: (request: ParsedRequest, keepAlive: boolean) => number } | null;
}

interface ParsedRequest extends IncomingMessage {
  /** Whether the connection goes to `upgrade` listeners. */
  upgrade: boolean;
}

/** llhttp's result for "this head ends the HTTP of the connection": the parser leaves the bytes after it alone. */
const STOP_PARSING = 2;

/** Requests that take their connection over without asking for an upgrade. */
export interface PlainTakeovers {
  /**
   * To be called first for each `upgrade` event. True when the request only stopped the parser: the same request follows as
   * an ordinary upgrade.
   */
  reopen(request: IncomingMessage, head: Buffer): boolean;
  /** Whether the client of an upgrade did not ask for one. */
  isPlain(request: IncomingMessage): boolean;
}

/**
 * Makes requests that `wants` accepts arrive as `upgrade` events of `http`, whatever their headers say, as dockerd hijacks
 * connections. Without this, Node parses the input that follows such a request as the next request.
 */
export function takeOverPlainRequests(
  http: Server | TlsServer,
  event: 'connection' | 'secureConnection',
  wants: (request: IncomingMessage) => boolean,
): PlainTakeovers {
  const stopped = new WeakSet<IncomingMessage>();
  const plain = new WeakSet<Socket>();
  http.on(event, (socket: Socket & ParsedSocket) => {
    const { parser } = socket;
    if (parser === undefined || parser === null) return;
    const onIncoming = parser.onIncoming;
    parser.onIncoming = (request, keepAlive) => {
      if (request.upgrade || !wants(request)) return onIncoming(request, keepAlive);
      stopped.add(request);
      request.upgrade = true;
      return STOP_PARSING;
    };
  });
  return {
    reopen: (request, head) => {
      if (!stopped.has(request)) return false;
      const { socket } = request;
      if (request.headers.upgrade === undefined) plain.add(socket);
      // The parser takes a body that follows, in any encoding, only from a request that it knows as an upgrade.
      if (head.length > 0) socket.unshift(head);
      socket.unshift(Buffer.from(headAsUpgrade(request), 'latin1'));
      http.emit(event, socket);
      return true;
    },
    isPlain: ({ socket }) => plain.has(socket),
  };
}

function headAsUpgrade({ method, url, rawHeaders, headers: { upgrade } }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/1.1`];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  const protocol = upgrade?.toLowerCase() === 'h2c' ? [] : ['Upgrade: tcp'];
  return `${[...lines, 'Connection: Upgrade', ...protocol].join('\r\n')}\r\n\r\n`;
}
