import type { StoredBlob } from '../blobs/blob-driver.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { StoredEntry } from '../blobs/driver-capabilities.ts';
import type { GarbageBlobs } from './collect-garbage.ts';

/**
 * A content store for a garbage collection on a copy of the catalog: it deletes nothing, but no longer lists "deleted"
 * blobs.
 */
export class UntouchedBlobs implements GarbageBlobs {
  readonly #blobs: BlobStore;
  readonly #gone = new Set<string>();

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  async *listStored(signal?: AbortSignal): AsyncGenerator<StoredEntry, void, undefined> {
    for await (const entry of this.#blobs.listStored(signal)) {
      if (!this.#gone.has(entry.kind === 'blob' ? entry.file.location : entry.id)) yield entry;
    }
  }

  async deleteAll(blobs: readonly StoredBlob[]): Promise<void> {
    for (const { location } of blobs) this.#gone.add(location);
  }

  async abort({ id }: { readonly id: string }): Promise<void> {
    this.#gone.add(id);
  }
}
