/** Hands chunks to one reader, who uses their memory until he asks for the next one. */
export class Handover implements AsyncIterable<Uint8Array> {
  #chunk: Uint8Array | undefined;
  #isEnded = false;
  #isLeft = false;
  #onChange: (() => void) | undefined;
  #onTaken: (() => void) | undefined;

  /** Whether the reader has stopped before the end. */
  get isLeft(): boolean {
    return this.#isLeft;
  }

  /** Resolves when the reader is done with the chunk, or has left. One at a time. */
  async give(chunk: Uint8Array): Promise<void> {
    if (this.#isLeft) return;
    const taken = new Promise<void>((resolve) => {
      this.#onTaken = resolve;
    });
    this.#chunk = chunk;
    this.#onChange?.();
    await taken;
  }

  /** Nothing more comes. */
  end(): void {
    this.#isEnded = true;
    this.#onChange?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        while (this.#chunk === undefined) {
          if (this.#isEnded) return;
          await new Promise<void>((resolve) => {
            this.#onChange = resolve;
          });
        }
        yield this.#chunk;
        this.#chunk = undefined;
        this.#onTaken?.();
      }
    } finally {
      this.#isLeft = true;
      this.#onTaken?.();
    }
  }
}
