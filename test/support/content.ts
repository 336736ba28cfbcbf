import { createHash } from 'node:crypto';
import type { Digest, DigestAlgorithm } from '../../oci/digest.ts';

export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

/** `size` bytes that look random and are the same for the same seed. */
export function patternBytes(size: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let position = 0; position < size; position += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[position] = state >>> 24;
  }
  return bytes;
}

/** `bytes` as a stream of chunks of `chunkSize`. */
export async function* streamOf(
  bytes: Uint8Array,
  chunkSize = 64 * 1024,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let start = 0; start < bytes.byteLength; start += chunkSize) {
    yield bytes.subarray(start, start + chunkSize);
  }
}

/** `bytes`, and then an error of the sender. */
export async function* failingStream(
  bytes: Uint8Array,
  failure: Error,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* streamOf(bytes);
  throw failure;
}

/** `bytes`, and then nothing for ever, as from a client that stalls. */
export async function* stallingStream(
  bytes: Uint8Array,
  onStall: () => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* streamOf(bytes);
  onStall();
  await new Promise<never>(() => {});
}

export async function collect(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function collectValues<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) found.push(value);
  return found;
}
