import { createHash, type Hash, hash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';

/** Bytes that are collected before they are written, so that the usual source file costs one write. */
const COLLECTED = 256 << 10;
/** Smaller pieces are copied: a view of a few bytes would retain the whole buffer. */
const SMALL = 4096;
/** Memory of a piece in addition to its bytes. */
const PIECE = 64;

/**
 * A file whose content arrives in pieces, between those of other files. Its mode and time are kept in the index, not on
 * disk.
 */
export class ReceivedFile {
  readonly #path: string;
  /** For a file that is written in several pieces. */
  #hash: Hash | undefined;
  #chunks: Uint8Array[] = [];
  #collected = 0;
  #isBegun = false;
  #descriptor: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Whether any content has been received. */
  get isBegun(): boolean {
    return this.#isBegun;
  }

  /** Appends bytes, which must not change until the file ends. */
  write(bytes: Uint8Array): void {
    this.#isBegun = true;
    this.#chunks.push(bytes.length < SMALL ? Buffer.from(bytes) : bytes);
    this.#collected += bytes.length + PIECE;
    if (this.#collected < COLLECTED) return;
    this.#hash ??= createHash('sha256');
    this.#hash.update(this.#flush());
  }

  /** Writes the rest. Returns the SHA-256 of the content, in hex. */
  end(): string {
    const bytes = this.#flush();
    this.close();
    return this.#hash === undefined ? hash('sha256', bytes) : this.#hash.update(bytes).digest('hex');
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #flush(): Uint8Array {
    this.#descriptor ??= openSync(this.#path, 'wx', 0o600);
    const [only] = this.#chunks;
    const bytes = this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks);
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(this.#descriptor, bytes, written);
    }
    this.#chunks = [];
    this.#collected = 0;
    return bytes;
  }
}
