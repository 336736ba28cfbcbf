import { createCipheriv, createHash } from 'node:crypto';
import { Readable } from 'node:stream';

const CHUNK = Buffer.alloc(256 * 1024);

/** `size` bytes that no compressor makes smaller, the same for the same seed, at over 1 GB/s and in little memory. */
export function pseudoRandomStream(size: number, seed: string): Readable {
  return Readable.from(generate(size, seed), { objectMode: false });
}

async function* generate(size: number, seed: string): AsyncGenerator<Buffer> {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  for (let left = size; left > 0; left -= CHUNK.length) {
    yield cipher.update(left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK);
  }
}
