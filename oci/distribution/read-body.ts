import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex } from '../digest.ts';
import { DistributionError } from './errors.ts';
import { type HttpResponse, IDLE_TIMEOUT } from './http-exchange.ts';

/**
 * The body's chunks as they come; of a bulk request each is good until the next is asked for. Fails when none comes for IDLE_TIMEOUT; time that the reader takes itself does not
 * count. The connection is freed when the reader stops early.
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

/** The whole body, of at most `limit` bytes; undefined when it is longer. */
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
 * Passes a blob's bytes on and checks, at their end, that they have the size and the digest of its descriptor; so
 * nothing that came through is to be trusted before the end. Throws DistributionError 'bad-request'.
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
      `filesystem layer verification failed for digest ${blob.digest}: ${size} of ${blob.size} bytes came, with the digest ${digestAlgorithm(blob.digest)}:${actual}`,
    );
  }
}
