import type { FileHandle } from 'node:fs/promises';

/** Bytes after which the device begins to store them, so that a sync at the end has little left to wait for. */
const SYNC_EVERY = 32 << 20;

/** Has a file that others write stored while it grows. */
export class SyncBehind {
  readonly #file: FileHandle;
  #synced = 0;
  #syncing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Tells how many bytes the file has; does not wait. */
  reached(position: number): void {
    if (position - this.#synced < SYNC_EVERY || this.#syncing !== undefined) return;
    this.#synced = position;
    this.#syncing = this.#file.datasync().then(
      () => {
        this.#syncing = undefined;
      },
      (error: unknown) => {
        this.#failure ??= { error };
      },
    );
  }

  /** Resolves when nothing is on its way; the last bytes need not be stored. Throws what storing failed with: no later sync would tell. */
  async finish(): Promise<void> {
    await this.#syncing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
