import type { BlobStore } from '../blobs/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { ContentStore } from '../content-store.ts';
import { DigestMismatchError } from '../errors.ts';
import { type ImportSource, type SourceBlob, SourceContentError } from './import-source.ts';

/** The source and the target of an import. */
export interface ImportEnds {
  readonly source: ImportSource;
  readonly catalog: Catalog;
  readonly blobs: BlobStore;
  readonly content: ContentStore;
}

/**
 * Ensures that a repository has a blob: links it when any repository has it, and copies it otherwise, which verifies
 * it. Throws SourceContentError when it is missing, damaged, or of another size than described.
 */
export async function importBlob(
  { source, catalog, blobs, content }: ImportEnds,
  repository: string,
  blob: SourceBlob,
  report: ImportReport,
  signal: AbortSignal,
): Promise<void> {
  const { digest } = blob;
  const known = (await catalog.blobs.findToRefer(repository, digest)) ?? (await mounted());
  if (known !== undefined && (await blobs.holds(known))) {
    refuseSize(blob, known.size);
    return;
  }
  try {
    const stored = await content.putBlob(repository, counted(), digest, signal);
    refuseSize(blob, stored.size);
    report.blobs += 1;
  } catch (cause) {
    if (!(cause instanceof DigestMismatchError)) throw cause;
    throw new SourceContentError(`${digest} is damaged in the source: ${cause.message}`, { cause });
  }

  async function mounted() {
    const [holder] = await catalog.blobs.holders(digest, 1);
    return holder === undefined ? undefined : catalog.blobs.mount(holder, repository, digest);
  }

  async function* counted() {
    let size = 0;
    for await (const chunk of source.readBlob(repository, blob, signal)) {
      size += chunk.byteLength;
      if (size > blob.size) {
        throw new SourceContentError(
          `${digest} has more than the ${blob.size} bytes that the manifest states`,
        );
      }
      report.bytes += chunk.byteLength;
      yield chunk;
    }
  }
}

/** Refuses another size than described: docker and containerd take such content for damaged. */
function refuseSize({ digest, size }: SourceBlob, actual: number): void {
  if (actual !== size) {
    throw new SourceContentError(
      `${digest} has ${actual} bytes, but the manifest states ${size}: clients would refuse it`,
    );
  }
}

/** The progress of an import. */
export interface ImportReport {
  repositories: number;
  /** Tags that point at the same digest as in the source. */
  tags: number;
  /** Newly imported manifests and blobs. */
  manifests: number;
  blobs: number;
  /** Bytes of blobs that were read from the source. */
  bytes: number;
  problems: number;
}

export function emptyReport(): ImportReport {
  return { repositories: 0, tags: 0, manifests: 0, blobs: 0, bytes: 0, problems: 0 };
}
