import type { DriverUpload } from '../../storage/blobs/blob-driver.ts';
import type { UploadCatalog } from '../../storage/catalog/catalog.ts';
import type { QuotaCatalog } from '../../storage/catalog/quota-catalog.ts';

/** The catalog's record of an upload, during one request that advances it. */
export class UploadProgress {
  readonly #uploads: UploadCatalog;
  readonly #first: DriverUpload;
  #recorded: number;
  #pending: DriverUpload | undefined;

  /** `upload` is the recorded state. */
  constructor(uploads: UploadCatalog, upload: DriverUpload) {
    this.#uploads = uploads;
    this.#first = upload;
    this.#recorded = upload.size;
  }

  /** Records a state. Throws UploadUnknownError, UploadBusyError. */
  async record(state: DriverUpload): Promise<void> {
    this.#pending = undefined;
    await this.#uploads.update(state, this.#recorded);
    this.#recorded = state.size;
  }

  /**
   * Records the previous state, and this one when another follows: the last state of a finished upload needs no record.
   */
  async postpone(state: DriverUpload): Promise<void> {
    if (this.#pending !== undefined) await this.record(this.#pending);
    this.#pending = state;
  }

  /** Records the postponed state. */
  async catchUp(): Promise<void> {
    if (this.#pending !== undefined) await this.record(this.#pending);
  }

  /** Records the state from the beginning again. */
  async undo(): Promise<void> {
    this.#pending = undefined;
    if (this.#recorded !== this.#first.size) await this.record(this.#first);
  }
}

/** Bytes that a chunk of unknown length claims in advance, if the quota allows it. */
const AHEAD = 4 * 1024 * 1024;

/** A chunk, and its guaranteed length if known. */
interface ClaimedChunk {
  readonly content: AsyncIterable<Uint8Array>;
  readonly length?: number;
}

/** Counts a chunk of an upload against quotas before its bytes are read. */
export class UploadClaims {
  readonly #quotas: QuotaCatalog;
  readonly #repository: string;
  readonly #upload: DriverUpload;
  #claimed = 0;

  /** `upload` is the state before the chunk. */
  constructor(quotas: QuotaCatalog, repository: string, upload: DriverUpload) {
    this.#quotas = quotas;
    this.#repository = repository;
    this.#upload = upload;
  }

  /**
   * Returns the content to append. Content of known length is claimed as a whole; any other fails with
   * QuotaExceededError when its bytes exceed a quota. Throws QuotaExceededError.
   */
  async begin(chunk: ClaimedChunk): Promise<AsyncIterable<Uint8Array>> {
    if (!(await this.#quotas.concerns(this.#repository))) return chunk.content;
    if (chunk.length === undefined) return this.#claiming(chunk.content);
    await this.#claim(this.#upload.size + chunk.length);
    return chunk.content;
  }

  /** Releases claimed bytes that were not sent; `size` is the current size of the upload. */
  async end(size: number): Promise<void> {
    if (this.#claimed > size) await this.#quotas.claim(this.#repository, this.#upload.id, 0);
  }

  async *#claiming(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let { size } = this.#upload;
    for await (const bytes of content) {
      size += bytes.byteLength;
      if (size > this.#claimed) {
        // With less than that left of a quota the content may still fit.
        await this.#claim(size + AHEAD).catch(() => this.#claim(size));
      }
      yield bytes;
    }
  }

  async #claim(bytes: number): Promise<void> {
    await this.#quotas.claim(this.#repository, this.#upload.id, bytes);
    this.#claimed = bytes;
  }
}
