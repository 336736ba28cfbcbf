/**
 * Splits a stream into segments, and turns its failure into the early end of a segment, so that bytes before the
 * failure are kept. `inspect` gets every chunk before the segment's reader, which waits for it.
 */
export class SegmentedSource {
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #segmentSize: number;
  readonly #inspect: (chunk: Uint8Array) => Promise<void> | undefined;
  #next: Uint8Array | undefined;
  #ended = false;
  #failure: { readonly reason: unknown } | undefined;

  constructor(
    content: AsyncIterable<Uint8Array>,
    segmentSize: number,
    inspect: (chunk: Uint8Array) => Promise<void> | undefined,
  ) {
    this.#iterator = content[Symbol.asyncIterator]();
    this.#segmentSize = segmentSize;
    this.#inspect = inspect;
  }

  /** Returns whether there is another segment. Waits for the next chunk; never rejects. */
  async hasMore(): Promise<boolean> {
    while (this.#next === undefined && !this.#ended) {
      try {
        const result = await this.#iterator.next();
        if (result.done === true) this.#ended = true;
        else if (result.value.byteLength > 0) this.#next = result.value;
      } catch (reason) {
        this.#ended = true;
        this.#failure = { reason };
      }
    }
    return this.#next !== undefined;
  }

  /** Yields the next chunks, until together they reach the size of a segment. */
  async *segment(): AsyncGenerator<Uint8Array, void, undefined> {
    let size = 0;
    while (size < this.#segmentSize && (await this.hasMore())) {
      const chunk = this.#next as Uint8Array;
      this.#next = undefined;
      await this.#inspect(chunk);
      size += chunk.byteLength;
      yield chunk;
    }
  }

  /** Throws the error of the stream, if it failed. */
  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.reason;
  }

  /** Tells the stream that no more is needed. */
  async close(): Promise<void> {
    if (!this.#ended) await this.#iterator.return?.();
  }
}
