import type { Digest } from '../../oci/digest.ts';

/** Something in the source is missing, damaged or refused; the rest of it can still be read. */
export class SourceContentError extends Error {
  override readonly name = 'SourceContentError';
}

/** The source as a whole cannot be read: nobody answers, or a login is wanted. */
export class SourceUnavailableError extends Error {
  override readonly name = 'SourceUnavailableError';
}

/** A manifest as the source has it; its digest has been checked. */
export interface SourceManifest {
  readonly bytes: Uint8Array;
  /** Without parameters; absent where the source keeps none, and the body decides. */
  readonly mediaType?: string;
}

/**
 * A registry to import from. Nothing in it is believed: names, tags and digests are as it says, checked for their
 * form by the implementation where the type asks for it. All of it may change while it is read. Every method
 * throws SourceContentError and SourceUnavailableError, and the signal's reason.
 */
export interface ImportSource {
  /** The names of all repositories, as they come. */
  repositories(signal: AbortSignal): AsyncIterable<string>;
  /** The tags of a repository; none when it is not there. */
  tags(repository: string, signal: AbortSignal): AsyncIterable<string>;
  /** What a tag points at; undefined when it, or the manifest that it pointed at, has been deleted. */
  resolveTag(repository: string, tag: string, signal: AbortSignal): Promise<Digest | undefined>;
  /** Every manifest of a repository, tagged or not; undefined where the source cannot tell. */
  manifests(repository: string, signal: AbortSignal): AsyncIterable<Digest> | undefined;
  /** Throws SourceContentError when it is not there, is too large, or does not have its digest. */
  readManifest(repository: string, digest: Digest, signal: AbortSignal): Promise<SourceManifest>;
  /** The bytes of a blob as they come; whoever reads checks the digest. */
  readBlob(repository: string, blob: SourceBlob, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Manifests whose subject this one is, as far as the source can tell. */
  referrers(repository: string, digest: Digest, signal: AbortSignal): Promise<readonly Digest[]>;
}

/** A blob as a manifest describes it. */
export interface SourceBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}
