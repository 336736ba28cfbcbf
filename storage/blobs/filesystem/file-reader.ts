import type { FileHandle } from 'node:fs/promises';

const CHUNK_SIZE = 256 * 1024;

/**
 * The bytes of an open file from `start` up to and without `end`, in chunks that the caller may keep. Reads
 * one chunk ahead. Closes the file when reading ends in whatever way, and when `signal` aborts.
 * Throws the signal's reason, and an error when the file is shorter than `end`.
 */
export class FileReader implements AsyncIterable<Uint8Array> {
  readonly #handle: FileHandle;
  readonly #start: number;
  readonly #end: number;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => {
    if (!this.#reading) void this.#close();
  };
  #reading = false;
  #closing: Promise<void> | undefined;

  constructor(handle: FileHandle, start: number, end: number, signal: AbortSignal | undefined) {
    this.#handle = handle;
    this.#start = start;
    this.#end = end;
    this.#signal = signal;
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#reading) throw new Error('the content of a blob can be iterated only once');
    this.#reading = true;
    let ahead: Promise<Uint8Array> | undefined;
    try {
      this.#signal?.throwIfAborted();
      let position = this.#start;
      ahead = this.#readAhead(position);
      while (ahead !== undefined) {
        const chunk: Uint8Array = await ahead;
        this.#signal?.throwIfAborted();
        position += chunk.byteLength;
        ahead = this.#readAhead(position);
        yield chunk;
        this.#signal?.throwIfAborted();
      }
    } finally {
      await ahead?.catch(() => {});
      await this.#close();
    }
  }

  #readAhead(position: number): Promise<Uint8Array> | undefined {
    if (position >= this.#end) return undefined;
    const chunk = this.#read(position);
    // Its failure is thrown when its turn comes; until then nobody waits for it.
    chunk.catch(() => {});
    return chunk;
  }

  async #read(position: number): Promise<Uint8Array> {
    const length = Math.min(CHUNK_SIZE, this.#end - position);
    const { bytesRead, buffer } = await this.#handle.read(
      Buffer.allocUnsafeSlow(length),
      0,
      length,
      position,
    );
    if (bytesRead === 0) {
      throw new Error(`the file ends after ${position} bytes, where ${this.#end} were expected`);
    }
    return buffer.subarray(0, bytesRead);
  }

  #close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#closing ??= this.#handle.close();
    return this.#closing;
  }
}
