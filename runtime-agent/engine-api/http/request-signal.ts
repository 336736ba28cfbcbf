import type { IncomingMessage, ServerResponse } from 'node:http';
import { whenEnded } from '../../../lib/streams/when-ended.ts';

/**
 * Returns a signal that aborts when the client hangs up or the agent stops, so that the request's work stops. It also aborts
 * after a complete answer, to no effect.
 */
export function requestSignal(response: ServerResponse, stopping: AbortSignal): AbortSignal {
  const hangUp = new AbortController();
  // A client that has left already sends no further event.
  if (response.destroyed) hangUp.abort();
  else response.once('close', () => hangUp.abort());
  return AbortSignal.any([hangUp.signal, stopping]);
}

/** Milliseconds that a client has to send the rest of an unread body. */
const PATIENCE = 10_000;

/**
 * Reads and discards the rest of a request's body, so that the client can read its answer: a connection that is
 * closed while bytes wait in it is reset, and the answer lost. A connection whose client takes too long is closed.
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
