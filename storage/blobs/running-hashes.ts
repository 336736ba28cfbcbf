import { createHash, type Hash } from 'node:crypto';
import type { DriverUpload } from './blob-driver.ts';

/**
 * The sha256 of what uploads have received so far, so that a commit need not read it again. Kept for the
 * `limit` uploads that were used last; a hash that is lost costs a second reading and nothing else.
 */
export class RunningHashes {
  readonly #limit: number;
  readonly #kept = new Map<string, { readonly state: string; readonly hash: Hash }>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** A hash of exactly the bytes of `upload`, to go on with; undefined when it is not known. */
  take(upload: DriverUpload): Hash | undefined {
    const kept = this.#kept.get(upload.id);
    if (kept?.state === stateOf(upload)) return kept.hash.copy();
    return upload.size === 0 ? createHash('sha256') : undefined;
  }

  keep(upload: DriverUpload, hash: Hash): void {
    this.#kept.delete(upload.id);
    this.#kept.set(upload.id, { state: stateOf(upload), hash: hash.copy() });
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
