import { readFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { DriverUpload } from '../blob-driver.ts';

const BUFFER_SIZE = 256 * 1024;
/** Buffers per writer: one is filled while the others are being written. */
const BUFFERS = 3;
/** Dirty bytes after which write-back begins, so that a commit waits only briefly. */
const SYNC_EVERY = 32 * 1024 * 1024;

/** Buffers that writers share. */
export class BufferPool {
  readonly #free: Buffer[] = [];
  readonly #limit: number;
  #out = 0;

  /** Keeps at most `limit` / 2 unused buffers, or a few more. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Number of buffers that writers hold. */
  get out(): number {
    return this.#out;
  }

  get scarce(): boolean {
    return this.#out >= this.#limit;
  }

  take(): Buffer {
    this.#out += 1;
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_SIZE);
  }

  give(buffer: Buffer): void {
    this.#out -= 1;
    if (this.#free.length < this.#limit / 2) this.#free.push(buffer);
  }
}

/**
 * Writes chunks one after another from a position on, in pieces of up to 256 KiB, while the caller continues with the
 * next chunk. It copies chunks, so the sender may reuse their memory. At most 768 KiB are buffered per writer; when
 * there are many writers, those without a buffer wait until their chunk is written.
 */
export class WriteBehind {
  readonly #handle: FileHandle;
  readonly #pool: BufferPool;
  readonly #syncFile: () => Promise<void>;
  #position: number;
  #buffer: Buffer | undefined;
  #filled = 0;
  #buffersOut = 0;
  #unsynced = 0;
  /** End of the bytes in the file, and of those on the device. */
  #written: number;
  #durable = 0;
  /** Settles when all writes so far have ended; they run in order. */
  #writing: Promise<void> = Promise.resolve();
  #syncing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wakeUp: (() => void) | undefined;

  /** `sync` makes the bytes written so far durable. */
  constructor(handle: FileHandle, position: number, pool: BufferPool, sync: () => Promise<void>) {
    this.#handle = handle;
    this.#position = position;
    this.#written = position;
    this.#pool = pool;
    this.#syncFile = sync;
  }

  /** Number of bytes from the file's start that have been accepted. */
  get end(): number {
    return this.#position + this.#filled;
  }

  /** Number of bytes from the file's start that are certainly on the device; 0 unless this writer has synced some. */
  get durable(): number {
    return this.#durable;
  }

  /** Accepts a chunk. Waits only while all buffers are full. Throws the error of an earlier write. */
  async write(chunk: Uint8Array): Promise<void> {
    let offset = 0;
    while (offset < chunk.byteLength) {
      if (this.#failure !== undefined) throw this.#failure.error;
      // No matter how many writers wait for their senders, no more buffers than the pool has are held.
      if (this.#buffer === undefined && this.#buffersOut === 0 && this.#pool.scarce) {
        await this.#writeThrough(chunk.subarray(offset));
        return;
      }
      this.#buffer ??= await this.#nextBuffer();
      const part = chunk.subarray(offset, offset + BUFFER_SIZE - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.byteLength;
      offset += part.byteLength;
      if (this.#filled === BUFFER_SIZE) this.#flush();
    }
  }

  /** Waits until everything is in the file; must always be called, also after a failure. Throws as write does. */
  async finish(): Promise<void> {
    this.#flush();
    await this.#writing;
    await this.#syncing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #writeThrough(bytes: Uint8Array): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      await this.#writeAll(bytes, this.#position);
      this.#position += bytes.byteLength;
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }

  async #nextBuffer(): Promise<Buffer> {
    // A waiting writer has at least one buffer in progress, which wakes it up.
    while (this.#buffersOut >= BUFFERS || (this.#buffersOut > 0 && this.#pool.scarce)) {
      await new Promise<void>((resolve) => {
        this.#wakeUp = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#buffersOut += 1;
    return this.#pool.take();
  }

  #flush(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    const length = this.#filled;
    const position = this.#position;
    this.#buffer = undefined;
    this.#filled = 0;
    this.#position += length;
    this.#writing = this.#writing.then(async () => {
      try {
        if (this.#failure === undefined) await this.#writeAll(buffer.subarray(0, length), position);
      } catch (error) {
        this.#failure ??= { error };
      } finally {
        this.#pool.give(buffer);
        this.#buffersOut -= 1;
        this.#wakeUp?.();
      }
    });
  }

  async #writeAll(bytes: Uint8Array, position: number): Promise<void> {
    for (let written = 0; written < bytes.byteLength; ) {
      const result = await this.#handle.write(bytes, written, bytes.byteLength - written, position + written);
      written += result.bytesWritten;
    }
    this.#written = position + bytes.byteLength;
    this.#unsynced += bytes.byteLength;
    if (this.#unsynced >= SYNC_EVERY && this.#syncing === undefined) this.#sync();
  }

  #sync(): void {
    this.#unsynced = 0;
    const reached = this.#written;
    this.#syncing = this.#syncFile().then(
      () => {
        this.#durable = reached;
        this.#syncing = undefined;
      },
      (error: unknown) => {
        this.#failure ??= { error };
      },
    );
  }
}

/**
 * State of an upload besides its size: the boot ID of its last write, and its bytes that are certainly on the device.
 * After a power cut the rest of the file may be zeros.
 */
export class UploadDetail {
  readonly #boot: string | undefined;

  /** `boot` identifies the run of the kernel; undefined if several kernels write to one folder. */
  constructor(boot: string | undefined) {
    this.#boot = boot;
  }

  /** Returns the bytes of the upload that are certainly on the device. */
  durable({ detail }: DriverUpload): number {
    return Number(detail.split(' ')[1] ?? 0);
  }

  /** Returns the upload with a new size; `durable` never decreases. */
  grown(upload: DriverUpload, size: number, durable: number): DriverUpload {
    if (this.#boot === undefined) return { ...upload, size };
    return { ...upload, size, detail: `${this.#boot} ${Math.max(durable, this.durable(upload))}` };
  }

  /**
   * Returns the upload with only the bytes that certainly exist: all of them, unless the machine has rebooted since.
   */
  settled(upload: DriverUpload): DriverUpload {
    const [boot] = upload.detail.split(' ');
    if (this.#boot === undefined || !boot || boot === this.#boot) return upload;
    const durable = Math.min(upload.size, this.durable(upload));
    return { ...upload, size: durable, detail: `${this.#boot} ${durable}` };
  }
}

/** Returns Linux's ID of the current boot; undefined on other systems. */
export function readBootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}
