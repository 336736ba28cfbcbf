import { UploadUnknownError } from '../../errors.ts';
import { abortable } from '../abortable.ts';
import { readInto } from './object-reader.ts';
import type { BufferHolder } from './part-memory.ts';
import { PartSender } from './part-sender.ts';
import { newName, type PartStore } from './part-store.ts';
import type { Tail, UploadDetail } from './upload-detail.ts';

/** Maximum bytes of content that needs no part buffer: most blobs of a registry are small. */
const SMALL = 256 * 1024;

/**
 * One append to an upload: fills parts, sends them while the next ones fill, and stores the remainder as an object, the
 * tail. It never changes or deletes objects of the previous state.
 */
export class PartWriter implements BufferHolder {
  readonly #store: PartStore;
  readonly #before: UploadDetail;
  readonly #partSize: number;
  readonly #failed = new AbortController();
  readonly #sender: PartSender;
  /** Tails that this append has stored. */
  readonly #ownTails: string[] = [];
  /**
   * The bytes after the last full part are in `tail`, then in `buffer` (including the tail's, if there is one), then in
   * `small`.
   */
  #tail: Tail | undefined;
  #buffer: Buffer | undefined;
  #filled = 0;
  #small: Buffer[] = [];
  #smallSize = 0;
  #spilling: Promise<void> | undefined;

  constructor(store: PartStore, before: UploadDetail) {
    this.#store = store;
    this.#before = before;
    this.#partSize = before.object?.partSize ?? store.memory.size;
    this.#tail = before.tail;
    this.#sender = new PartSender(store, before, this.#failed);
  }

  /**
   * Returns the new state. On failure it drops the objects of this append if possible. Throws NotThereError,
   * UploadUnknownError, BlobTooLargeError, StorageFullError, StorageUnavailableError, errors of `content`, the signal's
   * reason.
   */
  async append(content: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): Promise<UploadDetail> {
    const { signal: ended } = this.#failed;
    try {
      if (this.#partSize > this.#store.memory.size) {
        throw new UploadUnknownError('the upload was started with a larger partSize: start it again');
      }
      const either = signal === undefined ? ended : AbortSignal.any([signal, ended]);
      for await (const chunk of abortable(content, either)) await this.#take(chunk);
      return await this.#finish();
    } catch (error) {
      this.#failed.abort(error);
      await Promise.allSettled([this.#sender.settle(), this.#spilling]);
      this.#giveBack();
      await Promise.allSettled([this.#sender.drop(), this.#dropTails(this.#ownTails)]);
      throw error;
    }
  }

  /** Stores the buffer as a tail, from which it is refilled when more bytes arrive. */
  spill(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#buffer = undefined;
    this.#spilling = this.#putTail(buffer.subarray(0, this.#filled))
      .catch((error: unknown) => this.#failed.abort(error))
      .finally(() => {
        this.#spilling = undefined;
        this.#store.memory.release(buffer);
      });
  }

  async #take(chunk: Uint8Array): Promise<void> {
    const size = this.#smallSize + chunk.byteLength;
    if (this.#buffer === undefined && size <= Math.min(SMALL, this.#partSize / 2)) {
      this.#small.push(Buffer.from(chunk));
      this.#smallSize = size;
      return;
    }
    await this.#unpackSmall();
    await this.#fill(chunk);
  }

  async #unpackSmall(): Promise<void> {
    const small = this.#small;
    this.#small = [];
    this.#smallSize = 0;
    for (const chunk of small) await this.#fill(chunk);
  }

  async #fill(chunk: Uint8Array): Promise<void> {
    for (let offset = 0; offset < chunk.byteLength; ) {
      const buffer = this.#buffer ?? (await this.#takeBuffer());
      const piece = chunk.subarray(offset, offset + this.#partSize - this.#filled);
      buffer.set(piece, this.#filled);
      this.#filled += piece.byteLength;
      offset += piece.byteLength;
      if (this.#filled < this.#partSize) continue;
      this.#buffer = undefined;
      this.#store.memory.filled(this);
      await this.#sender.send(buffer, this.#partSize);
    }
  }

  /** Returns a buffer that begins with the tail. */
  async #takeBuffer(): Promise<Buffer> {
    await this.#spilling;
    const { memory } = this.#store;
    const buffer = await memory.acquire(this.#failed.signal);
    const tail = this.#tail;
    try {
      if (tail !== undefined) {
        const { bucket } = this.#store;
        await readInto(buffer, bucket, { key: this.#keyOf(tail.name), size: tail.size }, this.#failed.signal);
      }
    } catch (error) {
      memory.release(buffer);
      throw error;
    }
    this.#filled = tail?.size ?? 0;
    this.#tail = undefined;
    this.#buffer = buffer;
    memory.filling(this);
    return buffer;
  }

  async #finish(): Promise<UploadDetail> {
    await this.#spilling;
    if (this.#tail !== undefined && this.#smallSize > 0) await this.#unpackSmall();
    if (this.#buffer !== undefined) {
      this.#store.memory.filled(this);
      await this.#putTail(this.#buffer.subarray(0, this.#filled));
      this.#giveBack();
    } else if (this.#smallSize > 0) {
      await this.#putTail(Buffer.concat(this.#small));
    }
    await this.#sender.settle();
    this.#failed.signal.throwIfAborted();
    return this.#stateAfter();
  }

  async #stateAfter(): Promise<UploadDetail> {
    const { id, object: objectBefore, tail: tailBefore, stale: staleBefore } = this.#before;
    const { object } = this.#sender;
    const tail = this.#tail;
    const isUnchanged =
      tail?.name === tailBefore?.name && object?.etags.length === objectBefore?.etags.length;
    if (isUnchanged) return this.#before;
    const stale = [
      ...(tailBefore !== undefined && tailBefore.name !== tail?.name ? [tailBefore.name] : []),
      ...(objectBefore !== undefined && objectBefore.name !== object?.name ? [objectBefore.name] : []),
    ];
    // The previous state is recorded, so tails before it are no longer needed.
    await this.#dropTails([...staleBefore, ...this.#ownTails.filter((name) => name !== tail?.name)]);
    return { id, at: Date.now(), ...(object && { object }), ...(tail && { tail }), stale };
  }

  async #putTail(bytes: Uint8Array): Promise<void> {
    const name = newName();
    this.#ownTails.push(name);
    await this.#store.bucket.put(this.#keyOf(name), bytes, this.#failed.signal);
    this.#tail = { name, size: bytes.byteLength };
  }

  #giveBack(): void {
    const buffer = this.#buffer;
    this.#buffer = undefined;
    this.#store.memory.filled(this);
    if (buffer !== undefined) this.#store.memory.release(buffer);
  }

  async #dropTails(names: readonly string[]): Promise<void> {
    await this.#store.bucket.delete(names.map((name) => this.#keyOf(name)));
  }

  #keyOf(name: string): string {
    return this.#store.keys.group(this.#before.id) + name;
  }
}
