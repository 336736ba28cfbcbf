import type { IncomingMessage } from 'node:http';

const MOST_BYTES = 16 * 1024 * 1024;
const LONGEST_MS = 10_000;

/**
 * Reads on after an answer that came before the end of the request's body. Closing at once would reset the
 * connection and take the answer from a client that is still sending; reading for ever would let it send for
 * ever. So: 16 MiB or 10 seconds, then the connection is cut. Called before the answer goes out: at its end
 * Node begins to read on by itself, without a limit.
 */
export function discardUnread(req: IncomingMessage): void {
  if (req.complete || req.destroyed) return;
  let left = MOST_BYTES;
  const timer = setTimeout(() => req.destroy(), LONGEST_MS);
  timer.unref();
  req.once('close', () => clearTimeout(timer));
  req.once('end', () => clearTimeout(timer));
  req.on('error', () => undefined);
  req.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) req.destroy();
  });
  req.resume();
}
