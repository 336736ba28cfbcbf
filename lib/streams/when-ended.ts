import type { Readable } from 'node:stream';

/**
 * Calls `listener` once when a stream has ended, at once if it has ended already. A stream may emit `end` while its
 * owner waits for something else, before anybody listens; `once('end')` alone could then wait for ever.
 */
export function whenEnded(stream: Readable, listener: () => void): void {
  if (stream.readableEnded) listener();
  else stream.once('end', listener);
}
