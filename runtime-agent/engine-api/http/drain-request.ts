import type { IncomingMessage } from 'node:http';
import { whenEnded } from '../../../lib/streams/when-ended.ts';

/** Milliseconds that a client has to come to the end of a body that nobody wants. */
const PATIENCE = 10_000;

/**
 * Reads what is left of a request's body and throws it away, so that the client can read its answer: a connection that is
 * closed while bytes wait in it is reset, and the answer lost. One whose client goes on for too long is closed nevertheless.
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
