import type { Readable } from 'node:stream';

/**
 * Calls `listener` once when a stream has ended, at once where it has ended already. A stream that was open while its owner
 * waited for something else may emit `end` before anybody listens, so `once('end')` alone can wait for ever.
 */
export function whenEnded(stream: Readable, listener: () => void): void {
  if (stream.readableEnded) listener();
  else stream.once('end', listener);
}
