/** A client's listing of a folder, as received bytes: one comparison decides whether a file is unchanged. */
export class Listing {
  readonly #bytes: Buffer;
  /** End offset of each message. */
  readonly #ends: Uint32Array;

  private constructor(bytes: Buffer, ends: Uint32Array) {
    this.#bytes = bytes;
    this.#ends = ends;
  }

  /** Makes a listing of messages in order, one per file. */
  static of(messages: readonly Buffer[]): Listing {
    const ends = new Uint32Array(messages.length);
    let end = 0;
    for (const [index, { length }] of messages.entries()) {
      end += length;
      ends[index] = end;
    }
    return new Listing(Buffer.concat(messages, end), ends);
  }

  get length(): number {
    return this.#ends.length;
  }

  /** The message of a file; undefined beyond the last. */
  message(index: number): Buffer | undefined {
    const end = this.#ends[index];
    return end === undefined ? undefined : this.#bytes.subarray(this.#ends[index - 1] ?? 0, end);
  }

  /** Reports whether the client sent the same bytes for the file. */
  repeats(index: number, message: Buffer): boolean {
    const end = this.#ends[index];
    const begin = this.#ends[index - 1] ?? 0;
    return (
      end !== undefined &&
      end - begin === message.length &&
      this.#bytes.compare(message, 0, message.length, begin, end) === 0
    );
  }
}
