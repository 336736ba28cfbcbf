import { BlobTooLargeError, UploadUnknownError } from '../../errors.ts';
import { copyParts } from './copy-object.ts';
import { newName, type PartStore } from './part-store.ts';
import { NotThereError } from './s3-errors.ts';
import type { PartedObject, UploadDetail } from './upload-detail.ts';

/** Maximum parts of one upload that are sent concurrently. */
const PARTS_AT_ONCE = 4;
/** Maximum parts of an object in S3. */
export const MOST_PARTS = 10_000;

/** Sends the parts of one append, several concurrently. */
export class PartSender {
  readonly #store: PartStore;
  readonly #before: UploadDetail;
  readonly #failed: AbortController;
  readonly #sending = new Set<Promise<void>>();
  readonly #etags: string[];
  #object: Omit<PartedObject, 'etags'> | undefined;
  /** Whether S3 is known to still have the multipart upload. */
  #confirmed = false;

  /** `failed` is aborted when a part cannot be stored; after that no other is sent. */
  constructor(store: PartStore, before: UploadDetail, failed: AbortController) {
    this.#store = store;
    this.#before = before;
    this.#failed = failed;
    this.#object = before.object;
    this.#etags = [...(before.object?.etags ?? [])];
  }

  /** Takes ownership of `buffer`, whose first `size` bytes are the next part, and releases it once they are stored. */
  async send(buffer: Buffer, size: number): Promise<void> {
    const { memory } = this.#store;
    try {
      while (this.#sending.size >= PARTS_AT_ONCE) await Promise.race(this.#sending);
      this.#failed.signal.throwIfAborted();
      this.#object ??= await this.#begin(size);
      // The last part number is for the remainder.
      if (this.#etags.length === MOST_PARTS - 1) {
        throw new BlobTooLargeError(
          `a blob cannot have more than ${MOST_PARTS} parts of ${size} bytes here: the registry needs a larger partSize`,
        );
      }
    } catch (error) {
      memory.release(buffer);
      throw error;
    }
    const index = this.#etags.push('') - 1;
    const sent = this.#put(index, buffer.subarray(0, size)).finally(() => memory.release(buffer));
    if (!this.#confirmed) {
      await sent;
      this.#confirmed = true;
      return;
    }
    const tracked = sent
      .catch((error: unknown) => this.#failed.abort(error))
      .finally(() => this.#sending.delete(tracked));
    this.#sending.add(tracked);
  }

  /** Waits until no request is in progress. */
  async settle(): Promise<void> {
    await Promise.all(this.#sending);
  }

  /** The stored parts; valid only when all have settled without failure. */
  get object(): PartedObject | undefined {
    return this.#object && { ...this.#object, etags: this.#etags };
  }

  /** Drops the multipart upload that this append has begun. */
  async drop(): Promise<void> {
    const { bucket, keys } = this.#store;
    const object = this.#object;
    if (object === undefined || object.multipartId === this.#before.object?.multipartId) return;
    await bucket.dropParts(keys.group(this.#before.id) + object.name, object.multipartId);
  }

  async #begin(partSize: number): Promise<Omit<PartedObject, 'etags'>> {
    const name = newName();
    const multipartId = await this.#store.bucket.beginParts(this.#store.keys.group(this.#before.id) + name);
    this.#confirmed = true;
    return { name, multipartId, partSize };
  }

  async #put(index: number, bytes: Uint8Array): Promise<void> {
    const put = async () => {
      const { name, multipartId } = this.#object as PartedObject;
      const key = this.#store.keys.group(this.#before.id) + name;
      // Never aborted: an abandoned part could still arrive, and replace the one that a second attempt has stored.
      return this.#store.bucket.putPart(key, multipartId, index + 1, bytes);
    };
    try {
      this.#etags[index] = await put();
    } catch (error) {
      if (this.#confirmed || !(error instanceof NotThereError)) throw error;
      await this.#revive();
      this.#etags[index] = await put();
    }
  }

  /**
   * Restores the multipart upload: the parts have become an object, because a reader needed them, so it copies them
   * within S3 to a new upload.
   */
  async #revive(): Promise<void> {
    const { bucket, keys } = this.#store;
    const { name, partSize, etags } = this.#before.object as PartedObject;
    const from = keys.group(this.#before.id) + name;
    const size = await bucket.sizeOf(from);
    if (size === undefined || size < etags.length * partSize) {
      throw new UploadUnknownError(`there is no upload ${this.#before.id}`);
    }
    const { name: to, multipartId } = await this.#begin(partSize);
    const parts = await copyParts(
      bucket,
      { from, size: etags.length * partSize, partSize },
      { to: keys.group(this.#before.id) + to, multipartId },
    );
    for (const { number, etag } of parts) this.#etags[number - 1] = etag;
    this.#object = { name: to, multipartId, partSize };
  }
}
