import type { Digest } from '../../oci/digest.ts';
import type { StoredBlob, StoredFile } from '../blobs/blob-driver.ts';

/** Which rows a step of a sweep looks at: at most `limit`, those that come after `after` in the catalog's order. */
export interface SweepWindow {
  readonly lease: Lease;
  readonly limit: number;
  /** `next` of the step before; absent for the first. */
  readonly after?: string;
}

/** What a step of a sweep has deleted. */
export interface Swept<Item> {
  readonly items: readonly Item[];
  /** Where the next step begins; absent after the last. */
  readonly next?: string;
}

/** One of the things that only one process at a time may do, held for a while. */
export interface Lease {
  readonly name: string;
  readonly holder: string;
}

/**
 * What garbage collection deletes. Each step is a short transaction that deletes only what is garbage at that
 * moment, and fails with LeaseLostError when the lease has gone to somebody else.
 */
export interface GarbageCatalog {
  /** Takes or renews a lease; false while somebody else holds it. */
  takeLease(lease: Lease, milliseconds: number): Promise<boolean>;
  dropLease(lease: Lease): Promise<void>;
  /**
   * Deletes manifests that have no tag, that nothing refers to but as a subject, and whose own subject is not
   * there, when their grace period began before `before`.
   */
  sweepManifests(window: SweepWindow, before: Date): Promise<Swept<ManifestName>>;
  /** Deletes links to what is no manifest and what no manifest of the repository refers to, likewise. */
  sweepLinks(window: SweepWindow, before: Date): Promise<Swept<ManifestName>>;
  /** Deletes what is known of tags that were deleted before `before` and have not come back; as tags, once a change. */
  sweepHistory(window: SweepWindow, before: Date): Promise<Swept<TagName>>;
  /** Deletes repositories that were made before `before`, have no content and no tag that is known of; as names. */
  sweepRepositories(window: SweepWindow, before: Date): Promise<Swept<string>>;
  /** Deletes the records of blobs that no repository has; their files are left to the caller. */
  sweepBlobs(window: SweepWindow, before: Date): Promise<Swept<StoredBlob>>;
  /**
   * Of these files those that a record names, or may name when the upload that made them ends; as locations.
   * At most 200 files.
   */
  namedOf(files: readonly StoredFile[]): Promise<ReadonlySet<string>>;
  /** Of these upload ids, at most 200, those that have a record. */
  knownUploads(ids: readonly string[]): Promise<ReadonlySet<string>>;
}

/** A tag of a repository. */
export interface TagName {
  readonly repository: string;
  readonly tag: string;
}

/** A manifest or blob of a repository. */
export interface ManifestName {
  readonly repository: string;
  readonly digest: Digest;
}
