import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { BlobDriver, DriverUpload } from '../../../storage/blobs/blob-driver.ts';
import type { Digest } from '../../../storage/oci/digest.ts';

/** Bytes that the disk may be behind. Each chunk is memory of its own: more that wait for long cost a collection of all garbage. */
const BEHIND = 256 << 10;

/** Content that is stored while it passes, and becomes a blob when somebody knows what it is. */
export class KeptContent {
  readonly #driver: BlobDriver;
  readonly #begun: DriverUpload;
  readonly #channel = new PassThrough({ highWaterMark: BEHIND });
  readonly #stored: Promise<DriverUpload>;

  private constructor(driver: BlobDriver, begun: DriverUpload) {
    this.#driver = driver;
    this.#begun = begun;
    this.#stored = driver.appendUpload(begun, this.#channel);
    // Whoever passes or commits hears of it.
    this.#stored.catch(() => undefined);
  }

  static async begin(driver: BlobDriver, id: string): Promise<KeptContent> {
    return new KeptContent(driver, await driver.beginUpload(id));
  }

  /** Hands chunks on when they are on their way to the disk. Fails as the disk does. */
  async *pass(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      if (!this.#channel.destroyed && !this.#channel.write(chunk)) {
        // Where storing has failed, that is the reason, and not the channel's that was left.
        await Promise.race([once(this.#channel, 'drain').catch(() => this.#stored), this.#stored]);
      }
      if (this.#channel.destroyed) await this.#stored;
      yield chunk;
    }
    this.#channel.end();
  }

  /** Makes all that has passed the blob of `digest`, which the caller has checked. */
  async commit(digest: Digest): Promise<void> {
    await this.#driver.commitUpload(await this.#stored, digest);
  }

  /** Drops what was not committed. */
  async close(): Promise<void> {
    this.#channel.destroy();
    await this.#stored.catch(() => undefined);
    await this.#driver.abortUpload(this.#begun);
  }
}
