import type { Digest } from '../../oci/digest.ts';

/** Caches manifests by digest, which never change. Holds bytes, not rights: the caller checks access first. */
export interface ManifestCache {
  get(digest: Digest): Buffer | undefined;
  set(digest: Digest, bytes: Buffer): void;
}

/** Caches manifests of at most `limit` bytes in total; the least recently used are evicted first. */
export class BoundedManifestCache implements ManifestCache {
  readonly #limit: number;
  readonly #entries = new Map<Digest, Buffer>();
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(digest: Digest): Buffer | undefined {
    const bytes = this.#entries.get(digest);
    if (bytes === undefined) return undefined;
    this.#entries.delete(digest);
    this.#entries.set(digest, bytes);
    return bytes;
  }

  set(digest: Digest, bytes: Buffer): void {
    if (bytes.length > this.#limit || this.#entries.has(digest)) return;
    this.#entries.set(digest, bytes);
    this.#size += bytes.length;
    for (const [oldest, { length }] of this.#entries) {
      if (this.#size <= this.#limit) return;
      this.#entries.delete(oldest);
      this.#size -= length;
    }
  }
}
