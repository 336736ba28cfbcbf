import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex } from '../digest.ts';
import { DistributionError } from './errors.ts';
import { type HttpResponse, IDLE_TIMEOUT } from './http-exchange.ts';

/**
 * Yields the body's chunks; in a bulk request each chunk is valid until the next is requested. Fails when no data
 * arrives for IDLE_TIMEOUT; the reader's own time does not count. Releases the connection when the reader stops early.
 */
export async function* streamBody(response: HttpResponse, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { body } = response;
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    for (;;) {
      const timer = setTimeout(
        () => body.destroy(new Error(`no data for ${IDLE_TIMEOUT / 1000} seconds`)),
        IDLE_TIMEOUT,
      );
      let step: IteratorResult<Buffer>;
      try {
        step = await chunks.next();
      } catch (error) {
        throw signal.aborted ? signal.reason : error;
      } finally {
        clearTimeout(timer);
      }
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    body.destroy();
  }
}

/** Reads the whole body; returns undefined when it is longer than `limit` bytes. */
export async function readBody(
  response: HttpResponse,
  limit: number,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of streamBody(response, signal)) {
    length += chunk.length;
    if (length > limit) return undefined;
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}

/**
 * Passes a blob through and verifies its size and digest at the end; until then its bytes are untrusted. Throws
 * DistributionError 'bad-request'.
 */
export async function* verifiedBlob(
  blob: { readonly digest: Digest; readonly size: number },
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const hash = createHash(digestAlgorithm(blob.digest));
  let size = 0;
  for await (const chunk of content) {
    hash.update(chunk);
    size += chunk.length;
    yield chunk;
  }
  const actual = hash.digest('hex');
  if (size !== blob.size || actual !== digestHex(blob.digest)) {
    throw new DistributionError(
      'bad-request',
      `filesystem layer verification failed for digest ${blob.digest}: ${size} of ${blob.size} bytes arrived, with the digest ${digestAlgorithm(blob.digest)}:${actual}`,
    );
  }
}
