import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes what SQLite has written to its write-ahead log survive a power cut, off the main thread, on which SQLite
 * itself would wait for the device. Whoever asks while a sync runs shares the next one with all others.
 */
export class LogSync {
  readonly #database: string;
  #nameIsDurable = false;
  #running: Promise<void> = Promise.resolve();
  /** Begins when the running one has ended. */
  #next: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** `database` is the path of the database's file. */
  constructor(database: string) {
    this.#database = database;
  }

  /**
   * Resolves when everything that was committed before the call is on the device. Once the device has failed it
   * always rejects: the kernel takes pages that it could not write for clean, so nobody knows what is stored.
   */
  sync(): Promise<void> {
    if (this.#next === undefined) {
      const begun = this.#after(this.#running);
      this.#next = begun;
      this.#running = begun.catch(() => {});
    }
    return this.#next;
  }

  async #after(running: Promise<void>): Promise<void> {
    await running;
    this.#next = undefined;
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      // Opened anew each time: SQLite removes the file with its last connection.
      await syncFile(`${this.#database}-wal`);
      if (!this.#nameIsDurable) await syncFile(dirname(this.#database));
      this.#nameIsDurable = true;
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}
