import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

const SIZE = 1 << 20;

/** Writes pieces of any size one after the other into a file, a mebibyte at a time, with one write in progress. */
export class SpoolWriter {
  readonly #spool: FileHandle;
  #filling = Buffer.allocUnsafeSlow(SIZE);
  #filled = 0;
  #offset = 0;
  /** The buffer that is being written, and then free again. */
  #other = Buffer.allocUnsafeSlow(SIZE);
  #writing: Promise<unknown> = Promise.resolve();

  constructor(spool: FileHandle) {
    this.#spool = spool;
  }

  /** Makes room for `length` bytes, which `add` takes without waiting. Rejects if a write failed. */
  async reserve(length: number): Promise<void> {
    if (this.#filled + length <= this.#filling.length) return;
    await this.#flush();
    if (length > this.#filling.length) this.#filling = Buffer.allocUnsafeSlow(length);
  }

  /** Copies a piece, whose memory stays the caller's. */
  add(piece: Uint8Array): void {
    this.#filling.set(piece, this.#filled);
    this.#filled += piece.length;
  }

  /** Resolves when all is written. */
  async finish(): Promise<void> {
    await this.#flush();
    await this.#writing;
  }

  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#filled === 0) return;
    const [full, length] = [this.#filling, this.#filled];
    this.#filling = this.#other;
    this.#other = full;
    this.#filled = 0;
    this.#writing = this.#spool.write(full, 0, length, this.#offset).then(({ bytesWritten }) => {
      // A full disk writes a part, and fails only at the next write.
      if (bytesWritten < length) {
        throw Object.assign(new Error('the disk wrote only part of the data'), { code: 'ENOSPC' });
      }
    });
    // The next waiter gets the failure.
    this.#writing.catch(() => undefined);
    this.#offset += length;
  }
}

/** Opens an unnamed file in `directory`: it disappears when it is closed, even after a kill. */
export async function openSpool(directory: string): Promise<FileHandle> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, randomUUID());
  const spool = await open(path, 'wx+', 0o600);
  try {
    await rm(path);
  } catch (error) {
    await spool.close();
    throw error;
  }
  return spool;
}
