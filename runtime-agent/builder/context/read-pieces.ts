import { open } from 'node:fs/promises';

/** Bytes of a piece at most. */
const PIECE = 1 << 20;

/**
 * The content of a file that is expected to have `size` bytes, to its end. Takes no more memory than it has bytes: streams of
 * Node take a whole buffer for each, which keeps the collector busy where files are many and small.
 */
export async function* readPieces(
  path: string | Buffer,
  size: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const file = await open(path, 'r');
  try {
    for (let read = 0; ; ) {
      signal?.throwIfAborted();
      // One byte more than is expected shows the end, or that there is more, by the same call.
      const piece = Buffer.allocUnsafe(Math.min(PIECE, Math.max(size - read, 0) + 1));
      const { bytesRead } = await file.read(piece, 0, piece.length);
      if (bytesRead > 0) yield piece.subarray(0, bytesRead);
      read += bytesRead;
      if (bytesRead === 0 || (bytesRead < piece.length && read >= size)) return;
    }
  } finally {
    await file.close();
  }
}
