import type { FileHandle } from 'node:fs/promises';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const BLOCK = 64 * 1024;

/** Writes all of a file through `transform` into another. Both stay open. */
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
