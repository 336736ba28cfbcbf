import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { Attachment, OutputChunk, OutputStream } from '../containers.ts';

/** The agent's ends of a command's streams. */
export interface ExecEnds {
  readonly stdin: Writable | undefined;
  readonly outputs: readonly { readonly name: OutputStream; readonly stream: Readable }[];
  /** Whether it is a terminal, whose input cannot be ended. */
  readonly tty: boolean;
}

/** Attaches a client to a command's streams; `ended` settles when the end of the command is recorded. */
export function attachToExec({ stdin, outputs, tty }: ExecEnds, ended: Promise<void>): Attachment {
  const output = new ExecOutput(outputs, ended);
  const endInput = () => {
    if (!tty) stdin?.end();
  };
  return {
    output,
    write: async (data) => {
      if (stdin === undefined || stdin.destroyed || stdin.writableEnded) return;
      if (stdin.write(data)) return;
      await Promise.race([once(stdin, 'drain'), once(stdin, 'close')]);
    },
    endInput,
    close: () => {
      output.abandon();
      endInput();
    },
  };
}

/** The output for the client of a command that could not be started: the reason, as dockerd words it. */
export function failedExec(message: string): Attachment {
  return {
    output: (async function* () {
      yield { stream: 'stdout' as const, data: Buffer.from(`${message}\r\n`) };
    })(),
    write: async () => undefined,
    endInput: () => undefined,
    close: () => undefined,
  };
}

/** How long a background process may still write after the command itself has ended, in milliseconds; as dockerd. */
const LINGER = 2_000;
const RETRY = 100;

/** The output of a command in a container, with backpressure from its only reader. */
class ExecOutput implements AsyncIterable<OutputChunk> {
  readonly #streams: readonly { readonly name: OutputStream; readonly stream: Readable }[];
  readonly #chunks: { readonly chunk: OutputChunk; readonly stream: Readable }[] = [];
  readonly #ended: Promise<void>;
  #open: number;
  #isAbandoned = false;
  #wake: (() => void) | undefined;

  /** The iteration ends after the last byte, and not before `ended` settles. */
  constructor(
    streams: readonly { readonly name: OutputStream; readonly stream: Readable }[],
    ended: Promise<void>,
  ) {
    this.#streams = streams;
    this.#ended = ended;
    // A command without output may have ended before anybody listened.
    this.#open = streams.filter(({ stream }) => !stream.closed).length;
    for (const { name, stream } of streams) {
      stream.on('data', (data: Buffer) => this.#take(name, stream, data));
      stream.once('close', () => {
        this.#open -= 1;
        this.#wake?.();
      });
    }
    void ended.then(() => this.#finishWithin(LINGER));
  }

  /** Handles that the reader has gone; the command may continue to write. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#chunks.length = 0;
    for (const { stream } of this.#streams) stream.resume();
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<OutputChunk> {
    while (!this.#isAbandoned) {
      const next = this.#chunks.shift();
      if (next !== undefined) {
        yield next.chunk;
        next.stream.resume();
      } else if (this.#open === 0) {
        await Promise.race([this.#ended, this.#woken()]);
        if (this.#open === 0 && this.#chunks.length === 0) return;
      } else await this.#woken();
    }
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #take(name: OutputStream, stream: Readable, data: Buffer): void {
    if (this.#isAbandoned) return;
    stream.pause();
    this.#chunks.push({ chunk: { stream: name, data }, stream });
    this.#wake?.();
  }

  /** Waits for a slow reader, so that it loses no output. */
  #finishWithin(limit: number): void {
    if (this.#open === 0) return;
    const finish = () => {
      if (this.#chunks.length > 0) this.#finishWithin(RETRY);
      else for (const { stream } of this.#streams) stream.destroy();
    };
    // After a stall the agent may not have read its input yet; it does so before the next turn.
    setTimeout(() => setImmediate(finish), limit).unref();
  }
}
