import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { http } from '../../lib/http/node-http.ts';

/** A connection of the protocol that its client requested: `head` is the data that the client has already sent. */
export interface Upgrade {
  readonly socket: Socket;
  readonly head: Buffer;
}

const offers = new WeakMap<IncomingMessage, () => Upgrade>();

/** Reports whether a request asks for a WebSocket (RFC 6455, section 4.1). */
export function asksForWebSocket({ headers, method }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
}

/**
 * Creates the response of a request whose client may change the protocol. The connection ends with an HTTP answer, or
 * belongs to the caller of takeUpgrade.
 */
export function offerUpgrade(req: IncomingMessage, { socket, head }: Upgrade): ServerResponse {
  const res = new http.ServerResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(socket);
  res.once('finish', () => {
    offers.delete(req);
    if (res.socket === null) return;
    res.detachSocket(socket);
    socket.destroySoon();
    res.emit('close');
  });
  offers.set(req, () => {
    res.statusCode = 101;
    res.detachSocket(socket);
    // Others wait for the end of the request, which this is.
    Object.defineProperty(res, 'writableFinished', { value: true });
    res.emit('close');
    return { socket, head };
  });
  return res;
}

/**
 * Takes over the connection of a request, once: no HTTP answer can be sent any more, and the request counts as ended.
 * Returns undefined for a request without an upgrade.
 */
export function takeUpgrade(req: IncomingMessage): Upgrade | undefined {
  const offer = offers.get(req);
  offers.delete(req);
  return offer?.();
}

/** Reports whether takeUpgrade would take over the connection. */
export function offersUpgrade(req: IncomingMessage): boolean {
  return offers.has(req);
}
