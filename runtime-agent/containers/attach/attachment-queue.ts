import type { OutputChunk } from '../containers.ts';
import type { OutputRun } from './attach-messages.ts';

/**
 * The output that one client has yet to receive. `position` counts the bytes that it has received, on the scale of its
 * connection, so that the connection knows how far its slowest client is.
 */
export class AttachmentQueue implements AsyncIterable<OutputChunk> {
  /** Position in the connection's output up to which this client has received everything. */
  position: number;
  /** When `position` last moved, in milliseconds of the monotonic clock. */
  movedAt = performance.now();
  readonly #onTaken: () => void;
  readonly #streams: { readonly stdout: boolean; readonly stderr: boolean };
  readonly #runs: OutputRun[] = [];
  #finished = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(
    position: number,
    streams: { readonly stdout: boolean; readonly stderr: boolean },
    onTaken: () => void,
  ) {
    this.position = position;
    this.#streams = streams;
    this.#onTaken = onTaken;
  }

  push(run: OutputRun): void {
    if (this.#finished) return;
    this.#runs.push(run);
    this.#wake?.();
  }

  /** Ends the queue; queued output is still delivered. */
  finish(): void {
    this.#finished = true;
    this.#wake?.();
  }

  /** Drops queued output; the client's iteration ends, or fails with `error`. */
  abandon(error?: Error): void {
    this.#finished = true;
    this.#failure = error;
    this.#runs.length = 0;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<OutputChunk> {
    for (;;) {
      const run = this.#runs.shift();
      if (run !== undefined) {
        this.position += run.data.length;
        this.movedAt = performance.now();
        this.#onTaken();
        if (this.#streams[run.stream]) yield run;
        continue;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#finished) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
