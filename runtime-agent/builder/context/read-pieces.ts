import { open } from 'node:fs/promises';

/** Maximum bytes of a piece. */
const PIECE = 1 << 20;

/**
 * Reads a file of about `size` bytes to its end. Needs only as much memory as the file has bytes: Node's streams
 * allocate a whole buffer for each file, which burdens the garbage collector when files are many and small.
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
      // One byte more than expected reveals the end, or more data, in the same call.
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
