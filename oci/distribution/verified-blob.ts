import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex } from '../digest.ts';
import { DistributionError } from './errors.ts';

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
