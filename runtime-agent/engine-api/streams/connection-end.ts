import type { Duplex } from 'node:stream';
import { whenEnded } from '../../../lib/streams/when-ended.ts';

const NOTHING = Buffer.alloc(0);

/**
 * Notices that a client has left after it closed its writing side only, which looks the same until something is
 * written: an empty write fails with EPIPE where nobody reads, and sends nothing where someone does. The socket's
 * `close` event follows.
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
 * Ends the writing side, and the whole connection when the client does not close its own within `patience`
 * milliseconds. Destroying at once would make the client see a reset in place of the end when it still sends.
 */
export function endConnection(socket: Duplex, patience = 5000): void {
  socket.end();
  socket.resume();
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), patience);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}
