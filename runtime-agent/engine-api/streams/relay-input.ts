import type { Duplex } from 'node:stream';
import type { Attachment } from '../../containers/containers.ts';

/**
 * Passes the client's bytes to the container's stdin in order, one chunk in flight, and its half-close as the
 * end of input. What the container does not take any more is dropped.
 */
export function relayInput(socket: Duplex, attachment: Attachment): void {
  let refused = false;
  socket.on('data', (chunk: Buffer) => {
    if (refused) return;
    socket.pause();
    attachment.write(chunk).then(
      () => socket.resume(),
      () => {
        refused = true;
        socket.resume();
      },
    );
  });
  socket.once('end', () => attachment.endInput());
}
