import { once } from 'node:events';
import type { Writable } from 'node:stream';

/**
 * Writes what `chunks` yields, no faster than the client reads. Returns at their end, or when `signal` is
 * aborted; a failure of `chunks` after that is the abort's own.
 */
export async function relayOutput(
  chunks: AsyncIterable<Uint8Array>,
  socket: Writable,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const chunk of chunks) {
      if (signal.aborted) return;
      if (!socket.write(chunk)) await once(socket, 'drain', { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
