import type { FileHandle } from 'node:fs/promises';

const BLOCK = 64 * 1024;
const LINE_FEED = 0x0a;

export interface LogTail {
  /** In bytes. */
  readonly start: number;
  /** How many lines begin there; fewer than asked for when the file has no more. */
  readonly lines: number;
}

/**
 * Where the last `count` lines of a log begin, reading backwards from `size` no more than those lines take. Parts of one line
 * count once, and an unfinished last line counts too where `isNewest`: in an older file its end is in the next one, so that it
 * counts there and begins here, even if `count` is 0.
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
  // Lines are found by the line feed before them; `position` is where the part that has been searched begins.
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
      // A complete entry is the end of a line, so the line after it begins one further on.
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
