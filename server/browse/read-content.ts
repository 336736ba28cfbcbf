import type { Digest } from '../../oci/digest.ts';
import { OciError } from '../../oci/errors.ts';
import type { StoredBlob } from '../../storage/blobs/blob-driver.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { StorageError } from '../../storage/errors.ts';
import type { ManifestCache } from '../registry/manifest-cache.ts';

/**
 * Maximum bytes of manifests that are read for people: JSON is parsed in one piece, which blocks all other requests.
 */
export const LARGEST_MANIFEST = 1024 * 1024;
/** Likewise for configurations. */
export const LARGEST_CONFIG = 1024 * 1024;

/** Content, or a sentence that says why it is missing. */
export type Content = Buffer | string;

/**
 * Reads content for people: missing or damaged content is a sentence to show, and does not fail the page. Throws when
 * the storage does not answer.
 */
export class ContentReader {
  readonly #blobs: Pick<BlobStore, 'read' | 'readAll'>;
  readonly #catalog: Pick<Catalog, 'blobs'>;
  readonly #cache: ManifestCache;

  constructor(
    blobs: Pick<BlobStore, 'read' | 'readAll'>,
    catalog: Pick<Catalog, 'blobs'>,
    cache: ManifestCache,
  ) {
    this.#blobs = blobs;
    this.#catalog = catalog;
    this.#cache = cache;
  }

  async manifest(blob: StoredBlob, largest: number): Promise<Content> {
    const cached = this.#cache.get(blob.digest);
    if (cached !== undefined) return cached;
    if (blob.size > largest) return tooLarge(blob, largest);
    const content = await orSentence(() => this.#blobs.readAll(blob, largest));
    if (typeof content !== 'string') this.#cache.set(blob.digest, content);
    return content;
  }

  /** Returns a manifest of a repository, verified. */
  async manifestOf(repository: string, digest: Digest, largest: number): Promise<Content> {
    const blob = await this.#catalog.blobs.find(repository, digest);
    return blob === undefined ? missing(digest) : this.manifest(blob, largest);
  }

  /** Returns a blob of a repository, verified. */
  async blob(repository: string, digest: Digest, largest: number): Promise<Content> {
    const blob = await this.#catalog.blobs.find(repository, digest);
    if (blob === undefined) return missing(digest);
    if (blob.size > largest) return tooLarge(blob, largest);
    return orSentence(() => this.#blobs.readAll(blob, largest));
  }

  /** Returns the bytes of a blob as a stream, unverified; a sentence if it is missing. */
  async stream(
    repository: string,
    digest: Digest,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array> | string> {
    const blob = await this.#catalog.blobs.find(repository, digest);
    return blob === undefined ? missing(digest) : this.#blobs.read(blob, undefined, signal);
  }

  /** Returns the first bytes of a blob, which cannot be verified alone. */
  async head(repository: string, digest: Digest, bytes: number): Promise<Content> {
    const blob = await this.#catalog.blobs.find(repository, digest);
    if (blob === undefined) return missing(digest);
    if (blob.size <= bytes) return orSentence(() => this.#blobs.readAll(blob, bytes));
    return orSentence(async () => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of await this.#blobs.read(blob, { start: 0, end: bytes - 1 }))
        chunks.push(chunk);
      return Buffer.concat(chunks);
    });
  }
}

function missing(digest: Digest): string {
  return `${digest} is not in the repository: push it again`;
}

function tooLarge({ digest, size }: StoredBlob, largest: number): string {
  return `${digest} has ${size} bytes; at most ${largest} can be shown`;
}

async function orSentence(read: () => Promise<Buffer>): Promise<Content> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof StorageError || error instanceof OciError) return error.message;
    throw error;
  }
}
