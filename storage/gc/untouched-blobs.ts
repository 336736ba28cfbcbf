import type { StoredFile } from '../blobs/blob-driver.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { GarbageBlobs } from './collect-garbage.ts';

/**
 * A store of content for a garbage collection on a copy of the catalog: it deletes nothing, and lists no more
 * what it was told to delete.
 */
export class UntouchedBlobs implements GarbageBlobs {
  readonly #blobs: BlobStore;
  readonly #gone = new Set<string>();

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  async *list(signal?: AbortSignal): AsyncGenerator<StoredFile, void, undefined> {
    for await (const file of this.#blobs.list(signal)) if (!this.#gone.has(file.location)) yield file;
  }

  async *listUploads(signal?: AbortSignal): ReturnType<GarbageBlobs['listUploads']> {
    for await (const upload of this.#blobs.listUploads(signal)) if (!this.#gone.has(upload.id)) yield upload;
  }

  async delete({ location }: { readonly location: string }): Promise<boolean> {
    this.#gone.add(location);
    return true;
  }

  async abort({ id }: { readonly id: string }): Promise<void> {
    this.#gone.add(id);
  }
}
