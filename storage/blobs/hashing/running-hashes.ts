import type { DigestAlgorithm } from '../../../oci/digest.ts';
import type { DriverUpload } from '../blob-driver.ts';
import type { ContentHash, Hasher } from './content-hash.ts';

/**
 * The hashes of uploads in progress, so that a commit need not read the content again. Kept for the `limit` most
 * recently used uploads; losing a hash only costs another read.
 */
export class RunningHashes {
  readonly #hasher: Hasher;
  readonly #limit: number;
  readonly #kept = new Map<string, { readonly state: string; readonly hash: ContentHash }>();

  constructor(hasher: Hasher, limit: number) {
    this.#hasher = hasher;
    this.#limit = limit;
  }

  /**
   * Removes and returns the hash of exactly the bytes of `upload`, to continue or to end; undefined when it is unknown.
   * For an empty upload it uses `algorithm`, otherwise the algorithm with which it began. Drops the hash of another
   * state of the upload, which could later have the same size with other bytes.
   */
  take(upload: DriverUpload, algorithm: DigestAlgorithm): ContentHash | undefined {
    const kept = this.#kept.get(upload.id);
    this.#kept.delete(upload.id);
    if (upload.size > 0 && kept?.state === stateOf(upload)) return kept.hash;
    kept?.hash.drop();
    return upload.size === 0 ? this.#hasher.begin(algorithm) : undefined;
  }

  /** Stores the hash of exactly the bytes of `upload`. */
  keep(upload: DriverUpload, hash: ContentHash): void {
    this.forget(upload);
    hash.rest();
    this.#kept.set(upload.id, { state: stateOf(upload), hash });
    for (const [id, oldest] of this.#kept) {
      if (this.#kept.size <= this.#limit) break;
      this.#kept.delete(id);
      oldest.hash.drop();
    }
  }

  forget(upload: DriverUpload): void {
    this.#kept.get(upload.id)?.hash.drop();
    this.#kept.delete(upload.id);
  }
}

/**
 * Returns the key of a state. It includes `detail`: another process may have brought the upload to the same size with
 * other bytes.
 */
function stateOf(upload: DriverUpload): string {
  return `${upload.size} ${upload.detail}`;
}
