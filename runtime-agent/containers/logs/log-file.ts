import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, gunzipSync, constants as zlib } from 'node:zlib';

/** Bytes at the beginning that identify a file; they include a timestamp in nanoseconds. */
const HEAD = 256;
/** Compressed bytes that contain at least HEAD bytes. */
const COMPRESSED_HEAD = 4096;

/** An open file of a rotated log. It stays the same file when it is renamed or compressed meanwhile. */
export class LogFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #compressed: boolean;
  /** Identifies the file independently of its name. */
  readonly inode: number;
  #data: FileHandle | undefined;

  private constructor(path: string, handle: FileHandle, compressed: boolean, inode: number) {
    this.#path = path;
    this.#handle = handle;
    this.#compressed = compressed;
    this.inode = inode;
  }

  /** Opens the file or its compressed form; undefined if neither exists. */
  static async open(path: string): Promise<LogFile | undefined> {
    for (const name of [path, `${path}.gz`]) {
      const handle = await open(name, 'r').catch(unlessMissing);
      if (handle === undefined) continue;
      try {
        return new LogFile(path, handle, name !== path, (await handle.stat()).ino);
      } catch (error) {
        await handle.close();
        throw error;
      }
    }
    return undefined;
  }

  /** Returns the bytes as they were written. A compressed file is decompressed once, into an unnamed file. */
  async data(): Promise<FileHandle> {
    if (!this.#compressed) return this.#handle;
    this.#data ??= await this.#expand();
    return this.#data;
  }

  /** Reports whether both are the same part of the log; one may have been compressed since it was opened. */
  async isSameAs(other: LogFile): Promise<boolean> {
    if (this.inode === other.inode) return true;
    if (!this.#compressed && !other.#compressed) return false;
    const [one, two] = await Promise.all([this.#head(), other.#head()]);
    return one.length > 0 && one.equals(two);
  }

  async close(): Promise<void> {
    await Promise.all([this.#handle.close(), this.#data?.close()]);
  }

  async #head(): Promise<Buffer> {
    const block = Buffer.alloc(this.#compressed ? COMPRESSED_HEAD : HEAD);
    const { bytesRead } = await this.#handle.read(block, 0, block.length, 0);
    const read = block.subarray(0, bytesRead);
    if (!this.#compressed) return read;
    return gunzipSync(read, { finishFlush: zlib.Z_SYNC_FLUSH }).subarray(0, HEAD);
  }

  async #expand(): Promise<FileHandle> {
    const name = `${this.#path}.${randomBytes(8).toString('hex')}`;
    const expanded = await open(name, 'wx+', 0o600);
    try {
      await rm(name);
      await throughFile(this.#handle, createGunzip(), expanded);
      return expanded;
    } catch (error) {
      await expanded.close();
      throw error;
    }
  }
}

export function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}

const BLOCK = 64 * 1024;

/** Copies a whole file through `transform` into another. Both stay open. */
export async function throughFile(from: FileHandle, transform: Transform, to: FileHandle): Promise<void> {
  await pipeline(blocksOf(from), transform, async (blocks: AsyncIterable<Buffer>) => {
    for await (const block of blocks) await to.writeFile(block);
  });
}

async function* blocksOf(file: FileHandle): AsyncGenerator<Buffer> {
  for (let position = 0; ; ) {
    const block = Buffer.allocUnsafe(BLOCK);
    const { bytesRead } = await file.read(block, 0, BLOCK, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield block.subarray(0, bytesRead);
  }
}
