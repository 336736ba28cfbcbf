import { closeSync, fdatasync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { DatabaseUnavailableError } from '../errors.ts';

export interface LogSyncOptions {
  /** Called once, with the error of a failed sync. */
  readonly onFailure?: (error: unknown) => void;
  /** Syncs a file by its descriptor; fdatasync(2) by default. */
  readonly datasync?: (descriptor: number) => Promise<void>;
}

interface OpenFile {
  readonly descriptor: number;
  readonly inode: bigint;
}

/**
 * Syncs SQLite's write-ahead log to the device on another thread; SQLite itself would block the main thread. Callers
 * that arrive while a sync runs share the next one. The files stay open: a sync needs no new descriptor, and the kernel
 * reports a failed write-back once to every open descriptor.
 */
export class LogSync {
  readonly #database: string;
  readonly #onFailure: ((error: unknown) => void) | undefined;
  readonly #datasync: (descriptor: number) => Promise<void>;
  #folder: OpenFile | undefined;
  #log: OpenFile | undefined;
  #nameIsDurable = false;
  #closed = false;
  #running: Promise<void> = Promise.resolve();
  /** Begins when the running sync has ended. */
  #next: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** `database` is the path of the database's file. */
  constructor(database: string, { onFailure, datasync = promisify(fdatasync) }: LogSyncOptions = {}) {
    this.#database = database;
    this.#onFailure = onFailure;
    this.#datasync = datasync;
  }

  /** Opens the existing files, so that later syncs need no descriptor. Throws the system's error. */
  hold(): void {
    this.#folder ??= openFile(dirname(this.#database));
    const path = `${this.#database}-wal`;
    const inode = statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
    if (inode === undefined || inode === this.#log?.inode) return;
    // SQLite removes the log with its last connection and makes another one with the next.
    const log = openFile(path);
    if (this.#log !== undefined) closeSync(this.#log.descriptor);
    this.#log = log;
    this.#nameIsDurable = false;
  }

  /**
   * Resolves when everything that was committed before the call is on the device. Throws DatabaseUnavailableError when
   * the files cannot be opened, which may pass. Once a sync has failed it always throws that error: the kernel takes
   * pages that it could not write for clean, so the stored content is unknown.
   */
  sync(): Promise<void> {
    if (this.#next === undefined) {
      const begun = this.#after(this.#running);
      this.#next = begun;
      this.#running = begun.catch(() => {});
    }
    return this.#next;
  }

  /** Records a sync that has failed elsewhere, such as SQLite's own. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#onFailure?.(error);
  }

  /** Closes the files when the running sync has ended. */
  close(): void {
    this.#closed = true;
    void this.#running.then(() => {
      for (const file of [this.#log, this.#folder]) if (file !== undefined) closeSync(file.descriptor);
      this.#log = undefined;
      this.#folder = undefined;
    });
  }

  async #after(running: Promise<void>): Promise<void> {
    await running;
    this.#next = undefined;
    if (this.#failure !== undefined) throw this.#failure.error;
    const { log, folder } = this.#open();
    try {
      await this.#datasync(log.descriptor);
      if (!this.#nameIsDurable) await this.#datasync(folder.descriptor);
      this.#nameIsDurable = true;
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  #open(): { readonly log: OpenFile; readonly folder: OpenFile } {
    try {
      if (this.#closed) throw new Error('the database is closed');
      this.hold();
    } catch (cause) {
      throw unavailable(cause);
    }
    if (this.#log === undefined || this.#folder === undefined) throw unavailable(undefined);
    return { log: this.#log, folder: this.#folder };
  }
}

function openFile(path: string): OpenFile {
  const descriptor = openSync(path, 'r');
  return { descriptor, inode: statSync(path, { bigint: true }).ino };
}

/** Returns the error for a commit that exists, but may not survive a power cut. */
function unavailable(cause: unknown): DatabaseUnavailableError {
  return new DatabaseUnavailableError("the database's log cannot be opened to sync it: try again soon", {
    cause,
    inDoubt: true,
  });
}
