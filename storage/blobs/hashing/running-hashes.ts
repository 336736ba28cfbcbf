import type { DigestAlgorithm } from '../../../oci/digest.ts';
import type { DriverUpload } from '../blob-driver.ts';
import type { ContentHash, Hasher } from './content-hash.ts';

/**
 * The hashes of what uploads have received so far, so that a commit need not read it again. Kept for the
 * `limit` uploads that were used last; a hash that is lost costs a second reading and nothing else.
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
   * Gives the hash of exactly the bytes of `upload` away, to go on with or to end; undefined when it is not known.
   * Of an empty upload it is of `algorithm`, of another one of that with which it began. What is kept of another state
   * of the upload is dropped: it may come to have the size of that with other bytes.
   */
  take(upload: DriverUpload, algorithm: DigestAlgorithm): ContentHash | undefined {
    const kept = this.#kept.get(upload.id);
    this.#kept.delete(upload.id);
    if (upload.size > 0 && kept?.state === stateOf(upload)) return kept.hash;
    kept?.hash.drop();
    return upload.size === 0 ? this.#hasher.begin(algorithm) : undefined;
  }

  /** Takes the hash of exactly the bytes of `upload`. */
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

/** `detail` counts too: another process may have brought the upload to the same size with other bytes. */
function stateOf(upload: DriverUpload): string {
  return `${upload.size} ${upload.detail}`;
}
