import type { Duplex } from 'node:stream';
import { whenEnded } from '../../../lib/streams/when-ended.ts';
import type { Attachment } from '../../containers/containers.ts';
import type { DetachScanner } from './detach-keys.ts';

/** The keys by which a client leaves, and what is done then. */
export interface Detaching {
  readonly scanner: DetachScanner;
  readonly onDetach: () => void;
}

/**
 * Passes the client's bytes to the container's stdin in order, one chunk in flight, and its half-close as the
 * end of input. What the container does not take any more is dropped.
 */
export function relayInput(socket: Duplex, attachment: Attachment, detaching?: Detaching): void {
  let refused = false;
  socket.on('data', (chunk: Buffer) => {
    if (refused) return;
    const { data, detached } = detaching?.scanner.scan(chunk) ?? { data: chunk, detached: false };
    socket.pause();
    attachment.write(data).then(
      () => socket.resume(),
      () => {
        refused = true;
        socket.resume();
      },
    );
    if (detached) {
      refused = true;
      detaching?.onDetach();
    }
  });
  whenEnded(socket, () => attachment.endInput());
}
