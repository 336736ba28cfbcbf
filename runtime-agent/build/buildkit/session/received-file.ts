import { createHash } from 'node:crypto';
import { chmodSync, closeSync, fchmodSync, futimesSync, openSync, utimesSync, writeSync } from 'node:fs';
import type { IndexedFile } from './file-index.ts';
import { permissions } from './file-mode.ts';
import type { FileStat } from './packet.ts';

/** Bytes that are collected before they are written, so that the usual source file costs one write. */
const COLLECTED = 256 << 10;

/** A file whose content comes in pieces, between those of other files. */
export class ReceivedFile {
  readonly #path: string;
  readonly #stat: FileStat;
  readonly #hash = createHash('sha256');
  #chunks: Buffer[] = [];
  #collected = 0;
  #descriptor: number | undefined;

  constructor(path: string, stat: FileStat) {
    this.#path = path;
    this.#stat = stat;
  }

  write(bytes: Uint8Array): void {
    this.#chunks.push(Buffer.from(bytes));
    this.#collected += bytes.length;
    if (this.#collected >= COLLECTED) this.#flush();
  }

  /** Writes what is left, and gives the file its mode and time. Answers the SHA-256 of the content, in hex. */
  end(): string {
    const descriptor = this.#flush();
    fchmodSync(descriptor, permissions(this.#stat.mode));
    futimesSync(descriptor, secondsOf(this.#stat), secondsOf(this.#stat));
    this.close();
    return this.#hash.digest('hex');
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #flush(): number {
    this.#descriptor ??= openSync(this.#path, 'wx', 0o600);
    const bytes = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#hash.update(bytes);
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(this.#descriptor, bytes, written);
    }
    this.#chunks = [];
    this.#collected = 0;
    return this.#descriptor;
  }
}

/** Of a folder that is as it shall be: anything made in it would set its time. */
export function setModeAndTime(path: string, file: Pick<IndexedFile, 'mode' | 'modified'>): void {
  chmodSync(path, permissions(file.mode));
  utimesSync(path, Number(file.modified) / 1e9, Number(file.modified) / 1e9);
}

/** When it was modified, as Node's calls take it. */
export function secondsOf(stat: FileStat): number {
  return Number(stat.modTime) / 1e9;
}
