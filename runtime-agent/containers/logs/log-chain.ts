import { type FileHandle, stat } from 'node:fs/promises';
import type { LogFile } from './log-file.ts';
import { closeLogFiles, openLogFiles } from './log-files.ts';

/** Reads a log across its files from one position on. A rotation meanwhile loses nothing that still exists. */
export class LogChain {
  readonly #path: string;
  #files: readonly LogFile[];
  #position = 0;

  private constructor(path: string, files: readonly LogFile[]) {
    this.#path = path;
    this.#files = files;
  }

  /** Opens a log at its last `tail` lines; undefined: at its beginning. */
  static async open(path: string, tail: number | undefined): Promise<LogChain> {
    const chain = new LogChain(path, await openLogFiles(path));
    if (tail !== undefined) await chain.#skipTo(tail);
    return chain;
  }

  /** Returns the next bytes; none at the end of the files known since opening or the last `advance`. */
  async read(block: Buffer): Promise<number> {
    for (;;) {
      const [file] = this.#files;
      if (file === undefined) return 0;
      const data = await file.data();
      const { bytesRead } = await data.read(block, 0, block.length, this.#position);
      this.#position += bytesRead;
      if (bytesRead > 0 || this.#files.length === 1) return bytesRead;
      await this.#leave();
    }
  }

  /** Opens files that are newer than the last one. Returns false if there are none. */
  async advance(): Promise<boolean> {
    const last = this.#files.at(-1);
    const newest = await stat(this.#path).catch(() => undefined);
    // Without a newest file, the writer still writes to the last one.
    if (newest === undefined || newest.ino === last?.inode) return false;
    const files = await openLogFiles(this.#path);
    const position = last === undefined ? -1 : await positionOf(last, files);
    const later = files.slice(position + 1);
    await closeLogFiles(files.slice(0, position + 1));
    // The rest of the last file comes first: its writer may have written more before it switched files.
    this.#files = [...this.#files, ...later];
    return later.length > 0;
  }

  async close(): Promise<void> {
    await closeLogFiles(this.#files);
    this.#files = [];
  }

  async #leave(): Promise<void> {
    const [file, ...rest] = this.#files;
    this.#files = rest;
    this.#position = 0;
    await file?.close();
  }

  async #skipTo(tail: number): Promise<void> {
    let wanted = tail;
    let isNewest = true;
    for (let index = this.#files.length - 1; index >= 0; index -= 1) {
      const file = this.#files[index] as LogFile;
      const data = await file.data();
      const { size } = await data.stat();
      const { start, lines } = await findTail(data, size, wanted, isNewest);
      wanted -= lines;
      if (size > 0) isNewest = false;
      // The first line of a file may have begun in the one before.
      if (start === 0 && index > 0) continue;
      await closeLogFiles(this.#files.slice(0, index));
      this.#files = this.#files.slice(index);
      this.#position = start;
      return;
    }
  }
}

async function positionOf(file: LogFile, files: readonly LogFile[]): Promise<number> {
  for (const [index, candidate] of files.entries()) if (await file.isSameAs(candidate)) return index;
  return -1;
}

const BLOCK = 64 * 1024;
const LINE_FEED = 0x0a;

interface LogTail {
  /** In bytes. */
  readonly start: number;
  /** Number of lines that begin there; fewer than requested if the file has no more. */
  readonly lines: number;
}

/**
 * Returns where the last `count` lines of a log begin, reading backwards from `size` only as far as needed. Parts of
 * one line count once. An unfinished last line counts if `isNewest`; in an older file it continues in the next one, so
 * it counts there and begins here, even if `count` is 0.
 */
export async function findTail(
  file: FileHandle,
  size: number,
  count: number,
  isNewest: boolean,
): Promise<LogTail> {
  const block = Buffer.alloc(BLOCK + HEAD);
  let ends = 0;
  let start = size;
  let isLast = isNewest;
  let position = size;
  // Lines are found by the line feed before them; `position` is the start of the part that has been searched.
  while (position > 0) {
    const from = Math.max(0, position - BLOCK);
    const { bytesRead } = await file.read(block, 0, Math.min(size, position + HEAD) - from, from);
    const searched = Math.min(position - from, bytesRead);
    for (let index = searched - 1; index >= -1; index -= 1) {
      const isStart = index === -1 ? from === 0 : block[index] === LINE_FEED;
      if (!isStart) continue;
      const begin = from + index + 1;
      if (begin >= size) continue;
      const line = block.subarray(index + 1, Math.min(bytesRead, index + 1 + HEAD));
      // A complete entry ends a line, so the line after it begins one entry later.
      if (isComplete(line) || isLast) {
        if (ends === count) return { start, lines: ends };
        ends += 1;
      }
      isLast = false;
      start = begin;
    }
    position = from;
  }
  return { start, lines: ends };
}

/** Enough for a timestamp, a stream and a tag. */
const HEAD = 64;

function isComplete(head: Buffer): boolean {
  return /^\S+ std(?:out|err) F /.test(head.toString('latin1'));
}
