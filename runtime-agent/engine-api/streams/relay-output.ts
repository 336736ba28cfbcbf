import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { untilRead } from './until-read.ts';

/**
 * Writes what `chunks` yields, no faster than the client reads, once it has read all that was written before. Returns at their end, or when `signal` is
 * aborted; a failure of `chunks` after that is the abort's own.
 */
export async function relayOutput(
  chunks: AsyncIterable<Uint8Array>,
  socket: Writable,
  signal: AbortSignal,
): Promise<void> {
  let isFirst = true;
  try {
    for await (const chunk of chunks) {
      if (isFirst) await untilRead(socket, signal);
      isFirst = false;
      if (signal.aborted) return;
      if (!socket.write(chunk)) await once(socket, 'drain', { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
