import type { FileHandle } from 'node:fs/promises';

const BLOCK = 64 * 1024;
const LINE_FEED = 0x0a;

/**
 * Where the last `count` lines of a log begin, in bytes, reading backwards from `size` no more than those lines take. Parts
 * of one line count once, and an unfinished last line counts too.
 */
export async function findTail(file: FileHandle, size: number, count: number): Promise<number> {
  if (count <= 0) return size;
  const block = Buffer.alloc(BLOCK + HEAD);
  let ends = 0;
  let start = size;
  let isLast = true;
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
        if (ends === count) return start;
        ends += 1;
      }
      isLast = false;
      start = begin;
    }
    position = from;
  }
  return start;
}

/** Enough for a timestamp, a stream and a tag. */
const HEAD = 64;

function isComplete(head: Buffer): boolean {
  return /^\S+ std(?:out|err) F /.test(head.toString('latin1'));
}
