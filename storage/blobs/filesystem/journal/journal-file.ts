import { randomBytes } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makePrivateFile } from '../../../../lib/files/private-file.ts';
import { syncFolder } from '../durable-folders.ts';
import {
  CYCLE_SIZE,
  decodeRecords,
  encodeRecords,
  type JournalRecord,
  recordSize,
} from './journal-records.ts';

/**
 * A file of fixed size that is filled with records from its beginning, emptied and filled again. Its blocks are there
 * from the start, so that the device has nothing but the records to store, in one write for many of them.
 */
export class JournalFile {
  readonly #handle: FileHandle;
  readonly #size: number;
  #cycle = randomBytes(CYCLE_SIZE);
  #end = 0;

  private constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.#size = size;
  }

  /** Opens a journal that holds nothing that is still needed, and makes it when it is not there. */
  static async open(path: string, size: number): Promise<JournalFile> {
    await makePrivateFile(path);
    const handle = await open(path, 'r+');
    try {
      if ((await handle.stat()).size !== size) {
        await handle.truncate(0);
        await handle.writeFile(Buffer.alloc(size));
        await handle.sync();
      }
      // Also when it was there: whoever made it may have been killed before this.
      await syncFolder(dirname(path));
      return new JournalFile(handle, size);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  hasRoom(records: readonly JournalRecord[]): boolean {
    return records.reduce((end, record) => end + recordSize(record), this.#end) <= this.#size;
  }

  /** Appends records, for which there is room; they survive a power cut when the promise resolves. One call at a time. */
  async append(records: readonly JournalRecord[]): Promise<void> {
    const bytes = encodeRecords(this.#cycle, records);
    await writeAll(this.#handle, bytes, this.#end);
    await this.#handle.datasync();
    this.#end += bytes.byteLength;
  }

  /** Forgets all records. A power cut may bring them back, until others are appended. */
  async clear(): Promise<void> {
    this.#cycle = randomBytes(CYCLE_SIZE);
    this.#end = 0;
    await writeAll(this.#handle, Buffer.alloc(CYCLE_SIZE), 0);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** What a journal's file holds, whatever state a power cut has left it in. */
export async function readJournal(path: string): Promise<readonly JournalRecord[]> {
  const handle = await open(path, 'r');
  try {
    return decodeRecords(await handle.readFile());
  } finally {
    await handle.close();
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, start: number): Promise<void> {
  for (let written = 0; written < bytes.byteLength; ) {
    const result = await handle.write(bytes, written, bytes.byteLength - written, start + written);
    written += result.bytesWritten;
  }
}
