import { createHash } from 'node:crypto';
import { digestAlgorithm } from '../../oci/digest.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import { BlobUnknownError } from '../errors.ts';

/**
 * Returns what is wrong with the file of a blob, as a clause; undefined when it is intact. Throws the signal's reason.
 */
export async function verifyFile(
  blobs: BlobStore,
  blob: StoredBlob,
  signal: AbortSignal | undefined,
  onBytes: (count: number) => void,
): Promise<string | undefined> {
  const hash = createHash(digestAlgorithm(blob.digest));
  try {
    for await (const chunk of await blobs.read(blob, undefined, signal)) {
      hash.update(chunk);
      onBytes(chunk.byteLength);
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof BlobUnknownError) return 'the file is missing';
    return error instanceof Error ? error.message : String(error);
  }
  const actual = `${digestAlgorithm(blob.digest)}:${hash.digest('hex')}`;
  return actual === blob.digest ? undefined : `the content has the digest ${actual}`;
}
