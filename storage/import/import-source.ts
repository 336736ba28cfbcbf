import type { Digest } from '../../oci/digest.ts';

/** One item of the source is missing, damaged or refused. Others can still be read. */
export class SourceContentError extends Error {
  override readonly name = 'SourceContentError';
}

/** The source cannot be read at all: it does not respond, or requires another login. */
export class SourceUnavailableError extends Error {
  override readonly name = 'SourceUnavailableError';
}

/** A manifest of the source, whose digest was checked. */
export interface SourceManifest {
  readonly bytes: Uint8Array;
  /** Without parameters; absent if the source does not know it, so the body decides. */
  readonly mediaType?: string;
}

/**
 * An ImportSource is a registry to copy from: over HTTP, or the files of one in a folder or bucket.
 *
 * Terms:
 * - A repository has tags and manifests; a tag resolves to the digest of a manifest.
 * - A manifest names blobs, and other manifests if it is an index.
 * - A referrer is a manifest whose subject is another one, such as a signature.
 *
 * Life cycle: an importer lists repositories, one after the other. In each it lists and resolves tags, reads their
 * manifests, reads the blobs that are not here yet, and asks for the referrers of every manifest. There is nothing to
 * close.
 *
 * ```ts
 * for await (const repository of source.repositories(signal)) {
 *   for await (const tag of source.tags(repository, signal)) {
 *     const digest = await source.resolveTag(repository, tag, signal);
 *     if (digest === undefined) continue; // It was deleted in the meantime.
 *     const { bytes, mediaType } = await source.readManifest(repository, digest, signal);
 *     for (const layer of readManifest(bytes, mediaType).layers) {
 *       for await (const chunk of source.readBlob(repository, layer, signal)) write(chunk);
 *     }
 *   }
 * }
 * ```
 *
 * The source is not trusted, and may change while it is read. Strings are unchecked; a Digest has the form of one.
 * Every method throws SourceContentError, SourceUnavailableError and the signal's reason. Every implementation passes
 * test/contract/import-source.ts.
 */
export interface ImportSource {
  /** Yields the names of all repositories, unordered. */
  repositories(signal: AbortSignal): AsyncIterable<string>;
  /** Yields the tags of a repository; none if it does not exist. */
  tags(repository: string, signal: AbortSignal): AsyncIterable<string>;
  /** Returns the digest that a tag points at; undefined if the tag or its manifest was deleted. */
  resolveTag(repository: string, tag: string, signal: AbortSignal): Promise<Digest | undefined>;
  /** Yields every manifest of a repository, tagged or not; undefined if the source has no such list. */
  manifests(repository: string, signal: AbortSignal): AsyncIterable<Digest> | undefined;
  /** Throws SourceContentError if the manifest is missing, too large, or has another digest. */
  readManifest(repository: string, digest: Digest, signal: AbortSignal): Promise<SourceManifest>;
  /** Yields the bytes of a blob. The caller checks the digest. */
  readBlob(repository: string, blob: SourceBlob, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Returns the manifests whose subject this digest is; none if the source cannot list them. */
  referrers(repository: string, digest: Digest, signal: AbortSignal): Promise<readonly Digest[]>;
}

/** A blob as a manifest describes it. */
export interface SourceBlob {
  readonly digest: Digest;
  /** Size in bytes. */
  readonly size: number;
}
