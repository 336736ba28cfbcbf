import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { whenEnded } from '../../../lib/streams/when-ended.ts';

const NOTHING = Buffer.alloc(0);

/**
 * Detects that a client has left after it half-closed, which is invisible until a write: an empty write fails with
 * EPIPE when nobody reads, and otherwise sends nothing. The socket's `close` event follows.
 */
export function probeHalfClosed(socket: Duplex, interval = 500): void {
  whenEnded(socket, () => {
    if (socket.closed) return;
    const timer = setInterval(() => {
      if (!socket.writableEnded && !socket.writableNeedDrain) socket.write(NOTHING);
    }, interval);
    timer.unref();
    socket.once('close', () => clearInterval(timer));
  });
}

/**
 * Ends the writing side, and the whole connection if the client does not close its own side within `patience`
 * milliseconds. Destroying it at once would make the client see a reset instead of the end while it still sends.
 */
export function endConnection(socket: Duplex, patience = 5000): void {
  socket.end();
  socket.resume();
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), patience);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}

/**
 * Returns a signal that aborts when the client hangs up or the agent stops, so that the request's work stops. It also
 * aborts after a complete answer, without effect.
 */
export function requestSignal(response: ServerResponse, stopping: AbortSignal): AbortSignal {
  const hangUp = new AbortController();
  // A client that has already left sends no further event.
  if (response.destroyed) hangUp.abort();
  else response.once('close', () => hangUp.abort());
  return AbortSignal.any([hangUp.signal, stopping]);
}

/** Milliseconds that a client has to send the rest of an unread body. */
const PATIENCE = 10_000;

/**
 * Reads and discards the rest of a request's body, so that the client can read its answer: closing a connection with
 * unread bytes resets it, which loses the answer. A connection whose client takes too long is closed.
 */
export function drainRequest(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  const timer = setTimeout(() => request.destroy(), PATIENCE);
  timer.unref();
  request.once('close', () => clearTimeout(timer));
  whenEnded(request, () => clearTimeout(timer));
  request.on('error', () => undefined);
  request.resume();
}
