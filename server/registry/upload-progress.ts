import type { DriverUpload } from '../../storage/blobs/blob-driver.ts';
import type { UploadCatalog } from '../../storage/catalog/catalog.ts';

/** The catalog's record of an upload that one request moves on. */
export class UploadProgress {
  readonly #uploads: UploadCatalog;
  readonly #first: DriverUpload;
  #recorded: number;
  #pending: DriverUpload | undefined;

  /** `upload` is as it is recorded. */
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

  /** Records the state before, and this one when there is another: the last one of an upload that ends needs no record. */
  async postpone(state: DriverUpload): Promise<void> {
    if (this.#pending !== undefined) await this.record(this.#pending);
    this.#pending = state;
  }

  /** Records what has been postponed. */
  async catchUp(): Promise<void> {
    if (this.#pending !== undefined) await this.record(this.#pending);
  }

  /** Records the state from the beginning again. */
  async undo(): Promise<void> {
    this.#pending = undefined;
    if (this.#recorded !== this.#first.size) await this.record(this.#first);
  }
}
