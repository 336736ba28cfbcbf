import type { Duplex } from 'node:stream';
import { whenEnded } from '../../../lib/streams/when-ended.ts';
import type { Attachment } from '../../containers/containers.ts';

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

/** Finds the detach keys in the input of a client, also where they are spread over several pieces. */
export class DetachScanner {
  readonly #keys: readonly number[];
  /** Keys that have been typed and held back. */
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** Returns the bytes of the piece, and of those held back, that go on to the process; `detached` once all keys were typed. */
  scan(piece: Uint8Array): { readonly data: Uint8Array; readonly detached: boolean } {
    const passed: number[] = [];
    for (const byte of piece) {
      const typed = [...this.#keys.slice(0, this.#matched), byte];
      // The longest end of what was typed that the keys begin with.
      while (!typed.every((key, index) => key === this.#keys[index])) passed.push(typed.shift() as number);
      this.#matched = typed.length;
      if (this.#matched === this.#keys.length) return { data: Uint8Array.from(passed), detached: true };
    }
    return { data: Uint8Array.from(passed), detached: false };
  }
}
