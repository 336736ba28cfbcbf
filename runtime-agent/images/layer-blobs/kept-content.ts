import type { Digest } from '../../../oci/digest.ts';
import type { BlobDriver, DriverUpload } from '../../../storage/blobs/blob-driver.ts';

/** Content that is stored while it passes, and becomes a blob when somebody knows what it is. */
export class KeptContent {
  readonly #driver: BlobDriver;
  readonly #begun: DriverUpload;
  readonly #handover = new Handover();
  readonly #stored: Promise<DriverUpload>;

  private constructor(driver: BlobDriver, begun: DriverUpload) {
    this.#driver = driver;
    this.#begun = begun;
    this.#stored = driver.appendUpload(begun, this.#handover);
    // Whoever passes or commits hears of it.
    this.#stored.catch(() => undefined);
  }

  static async begin(driver: BlobDriver, id: string): Promise<KeptContent> {
    return new KeptContent(driver, await driver.beginUpload(id));
  }

  /**
   * Hands chunks on while they are stored. Who gets a chunk is to be done with it when he asks for the next one, as this is
   * with those of `content`. Fails as the disk does.
   */
  async *pass(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      const taken = this.#handover.give(chunk);
      yield chunk;
      await taken;
      if (this.#handover.isLeft) await this.#stored;
    }
    this.#handover.end();
  }

  /** Makes all that has passed the blob of `digest`, which the caller has checked. */
  async commit(digest: Digest): Promise<void> {
    await this.#driver.commitUpload(await this.#stored, digest);
  }

  /** Drops what was not committed. */
  async close(): Promise<void> {
    this.#handover.end();
    await this.#stored.catch(() => undefined);
    await this.#driver.abortUpload(this.#begun);
  }
}

/** Hands chunks to one reader, who uses their memory until he asks for the next one. */
class Handover implements AsyncIterable<Uint8Array> {
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
