import { createHash, type Hash } from 'node:crypto';
import type { DigestAlgorithm } from '../oci/digest.ts';
import type { DriverUpload } from './blob-driver.ts';

/** A hash of what an upload has received. */
export interface RunningHash {
  readonly algorithm: DigestAlgorithm;
  readonly hash: Hash;
}

/**
 * The hashes of what uploads have received so far, so that a commit need not read it again. Kept for the
 * `limit` uploads that were used last; a hash that is lost costs a second reading and nothing else.
 */
export class RunningHashes {
  readonly #limit: number;
  readonly #kept = new Map<string, RunningHash & { readonly state: string }>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * A hash of exactly the bytes of `upload`, to go on with; undefined when it is not known. Of an empty upload it
   * is of `algorithm`, of another one of that with which it began.
   */
  take(upload: DriverUpload, algorithm: DigestAlgorithm): RunningHash | undefined {
    if (upload.size === 0) return { algorithm, hash: createHash(algorithm) };
    const kept = this.#kept.get(upload.id);
    return kept?.state === stateOf(upload)
      ? { algorithm: kept.algorithm, hash: kept.hash.copy() }
      : undefined;
  }

  keep(upload: DriverUpload, { algorithm, hash }: RunningHash): void {
    this.#kept.delete(upload.id);
    this.#kept.set(upload.id, { state: stateOf(upload), algorithm, hash: hash.copy() });
    for (const id of this.#kept.keys()) {
      if (this.#kept.size <= this.#limit) break;
      this.#kept.delete(id);
    }
  }

  forget(upload: DriverUpload): void {
    this.#kept.delete(upload.id);
  }
}

/** `detail` counts too: another process may have brought the upload to the same size with other bytes. */
function stateOf(upload: DriverUpload): string {
  return `${upload.size} ${upload.detail}`;
}
