import { mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { writePrivateFile } from '../../../../lib/files/private-file.ts';
import { type DurableFolders, isMissing } from '../device.ts';
import { blobPath, JOURNAL, nameAtLocation, uploadPath } from '../layout.ts';
import { JournalFile, type JournalRecord, recordSize } from './journal-file.ts';

/** Milliseconds before another attempt to make a journal, which may have failed for lack of space or descriptors. */
const MADE_AGAIN = 10_000;
/** Maximum records that one sync of the journal makes durable. */
const MOST_AT_ONCE = 32;

export interface SmallFilesOptions {
  /**
   * The driver's root with its folders. No other process commits small blobs there, and its journals have been
   * replayed.
   */
  readonly root: string;
  readonly folders: DurableFolders;
  /** Bytes of each of the two journals: more than the largest record has. */
  readonly journalSize: number;
  /** Makes everything durable that was written to the root's file system before the call. */
  readonly syncFilesystem: () => Promise<void>;
  /** Called with the error of a failed sync, after which the stored content is unknown. */
  readonly onDeviceFailure?: (error: unknown) => void;
}

interface Waiting {
  readonly record: JournalRecord;
  readonly resolve: (stored: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** A journal, and the files of its records that are being written. */
interface Filling {
  readonly journal: JournalFile;
  readonly writing: Set<Promise<void>>;
}

/**
 * Stores small blobs: as ordinary files, without waiting for the device, and at the same time as records in a journal,
 * where one sync makes many durable. When a journal is full, another one takes over, all files are synced together in
 * the background, and the full one is emptied. So at every moment an answered blob is in a synced file or in a journal,
 * which replayJournals reads when the folder is opened next.
 */
export class SmallFiles {
  readonly #options: SmallFilesOptions;
  readonly #placer: FilePlacer;
  readonly #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #current: Filling | undefined;
  /** An empty journal. */
  #spare: JournalFile | undefined;
  #retiring: Promise<void> | undefined;
  #opening: Promise<void> | undefined;
  /** Whether a sync has failed: the stored state is unknown, so the journals stay unchanged for the next start. */
  #broken = false;
  #opened = 0;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(options: SmallFilesOptions) {
    this.#options = options;
    this.#placer = new FilePlacer(options.root);
  }

  /**
   * Stores a blob whose content matches the digest in its location; the promise resolves when it is durable. Returns
   * false, having done nothing, while no journal is available. Throws errors of the device.
   */
  store(record: JournalRecord): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    this.#waiting.push({ record, resolve, reject });
    this.#running ??= this.#run();
    return promise;
  }

  /** Waits for pending stores, then syncs the files so that the journals are no longer needed. */
  async close(): Promise<void> {
    await this.#running;
    await this.#opening;
    await this.#retiring;
    const spare = this.#takeSpare();
    if (this.#current !== undefined) await this.#retire(this.#current);
    await spare?.close();
    await this.#takeSpare()?.close();
    this.#broken = true;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // By then all requests of this turn of the event loop have arrived.
      await turn();
      const group = this.#waiting.splice(0, this.#groupSize());
      const filling = this.#fillingFor(group.map(({ record }) => record));
      if (filling === undefined) for (const { resolve } of group) resolve(false);
      else await this.#storeAll(filling, group);
    }
    this.#running = undefined;
  }

  /** Returns how many pending stores fit into one sync, and into an empty journal. */
  #groupSize(): number {
    let count = 0;
    let bytes = 0;
    for (const { record } of this.#waiting) {
      bytes += recordSize(record);
      if (count === MOST_AT_ONCE || (count > 0 && bytes > this.#options.journalSize)) break;
      count += 1;
    }
    return count;
  }

  async #storeAll({ journal, writing }: Filling, group: readonly Waiting[]): Promise<void> {
    const journalled = journal.append(group.map(({ record }) => record));
    for (const { record, resolve, reject } of group) {
      const written = this.#placer.place(record);
      const settled = written
        .then(() => journalled)
        .then(() => resolve(true), reject)
        .finally(() => writing.delete(settled));
      writing.add(settled);
    }
    try {
      await journalled;
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!this.#broken) this.#options.onDeviceFailure?.(error);
    this.#broken = true;
  }

  /** Returns a journal with room for the records, if there is one. */
  #fillingFor(records: readonly JournalRecord[]): Filling | undefined {
    if (this.#broken) return undefined;
    if (this.#current?.journal.hasRoom(records)) return this.#current;
    const full = this.#current;
    const next = this.#takeSpare();
    if (next === undefined) {
      const waits = performance.now() - this.#failedAt < MADE_AGAIN;
      if (this.#opened < 2 && !waits) this.#opening ??= this.#openAnother();
      return undefined;
    }
    this.#current = { journal: next, writing: new Set() };
    if (full !== undefined) this.#retiring = this.#retire(full);
    return this.#current;
  }

  /** Runs in the background: on a busy device creating a journal may take long. */
  async #openAnother(): Promise<void> {
    const { root, folders, journalSize } = this.#options;
    this.#opened += 1;
    try {
      await folders.ensure(join(root, JOURNAL));
      this.#spare = await JournalFile.open(join(root, JOURNAL, String(this.#opened)), journalSize);
    } catch {
      this.#opened -= 1;
      this.#failedAt = performance.now();
    }
    this.#opening = undefined;
  }

  #takeSpare(): JournalFile | undefined {
    const spare = this.#spare;
    this.#spare = undefined;
    return spare;
  }

  async #retire({ journal, writing }: Filling): Promise<void> {
    await Promise.all(writing);
    try {
      if (this.#broken) throw new Error('a journal could not be written');
      await this.#options.syncFilesystem();
      await journal.clear();
      this.#spare = journal;
    } catch (error) {
      this.#fail(error);
      await journal.close();
    }
  }
}

/** Writes small blobs to their locations below a driver's root. Nothing is durable until the file system is synced. */
export class FilePlacer {
  readonly #root: string;
  readonly #folders = new Map<string, Promise<unknown>>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Writes a blob atomically. Leaves nothing behind when it fails. */
  async place({ location, content }: JournalRecord): Promise<void> {
    const target = blobPath(this.#root, location);
    const source = uploadPath(this.#root, nameAtLocation(location)?.uploadId ?? '');
    try {
      await writePrivateFile(source, content);
      await this.#ensureFolder(dirname(target));
      await rename(source, target);
    } catch (error) {
      await unlink(source).catch(() => {});
      throw error;
    }
  }

  /**
   * Writes a blob that may exist already: into its file if that has the right length, which takes no space, and
   * otherwise as `place` does. The kernel then stores it, even if it had failed to before.
   */
  async restore(record: JournalRecord): Promise<void> {
    const target = blobPath(this.#root, record.location);
    if ((await sizeOf(target)) !== record.content.byteLength) return this.place(record);
    const file = await open(target, 'r+');
    try {
      await file.writeFile(record.content);
    } finally {
      await file.close();
    }
  }

  #ensureFolder(path: string): Promise<unknown> {
    const known = this.#folders.get(path);
    if (known !== undefined) return known;
    const made = mkdir(path, { recursive: true, mode: 0o700 });
    this.#folders.set(path, made);
    made.catch(() => this.#folders.delete(path));
    return made;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
