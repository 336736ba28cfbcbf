import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';

/** The fastest: what is written here is hardly ever read. */
const LEVEL = { [constants.ZSTD_c_compressionLevel]: 1 };

/** Writes a tar, zstd-compressed, beside the tree that it was unpacked to. */
export class KeptTar {
  readonly #compress = createZstdCompress({ params: LEVEL });
  readonly #written: Promise<void>;

  /** `path` is of a file that is not there yet. */
  constructor(path: string) {
    this.#written = pipeline(this.#compress, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
    // Each caller hears of it: `write` and `finish` wait for it.
    this.#written.catch(() => undefined);
  }

  /** Resolves when there is room for more. `chunk` is the writer's own from then on. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#compress.destroyed) return await this.#written;
    if (!this.#compress.write(Buffer.from(chunk))) {
      await Promise.race([once(this.#compress, 'drain'), this.#written]);
    }
  }

  /** Resolves when all is in the file, which is not synced. */
  async finish(): Promise<void> {
    this.#compress.end();
    await this.#written;
  }

  /** Lets go of the file, whatever is in it. */
  async stop(): Promise<void> {
    this.#compress.destroy();
    await this.#written.catch(() => undefined);
  }
}

/** What a KeptTar has written; closes `file`. */
export async function* readKeptTar(file: FileHandle, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const tar = createZstdDecompress();
  const filled = pipeline(file.createReadStream(), tar, { signal });
  filled.catch(() => undefined);
  try {
    for await (const chunk of tar) yield chunk as Buffer;
    await filled;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    tar.destroy();
  }
}
