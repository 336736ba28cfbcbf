import type { Digest } from '../../oci/digest.ts';
import type { StoredBlob, StoredFile } from '../blobs/blob-driver.ts';

/** The rows of one step of a sweep: at most `limit`, after `after` in the catalog's order. */
export interface SweepWindow {
  readonly lease: Lease;
  readonly limit: number;
  /** `next` of the previous step; absent for the first. */
  readonly after?: string;
}

/** Rows that a step of a sweep has deleted. */
export interface Swept<Item> {
  readonly items: readonly Item[];
  /** Start of the next step; absent after the last. */
  readonly next?: string;
}

/** A task that only one process at a time may have, held for a limited time. */
export interface Lease {
  readonly name: string;
  readonly holder: string;
}

/**
 * The deletions of garbage collection. Each step is a short transaction that deletes only rows that are garbage at that
 * moment, and fails with LeaseLostError when another process has the lease.
 */
export interface GarbageCatalog {
  /** Takes or renews a lease; returns false while another process holds it. */
  takeLease(lease: Lease, milliseconds: number): Promise<boolean>;
  dropLease(lease: Lease): Promise<void>;
  /**
   * Deletes manifests that have no tag, that nothing refers to except as a subject, and whose own subject does not
   * exist, when their grace period began before `before`.
   */
  sweepManifests(window: SweepWindow, before: Date): Promise<Swept<ManifestName>>;
  /** Deletes links to blobs that are not manifests and that no manifest of the repository refers to, likewise. */
  sweepLinks(window: SweepWindow, before: Date): Promise<Swept<ManifestName>>;
  /** Deletes the history of tags that were deleted before `before` and not restored; returns tags, once per change. */
  sweepHistory(window: SweepWindow, before: Date): Promise<Swept<TagName>>;
  /** Deletes repositories that were created before `before` and have neither content nor tag history; returns names. */
  sweepRepositories(window: SweepWindow, before: Date): Promise<Swept<string>>;
  /** Deletes the records of blobs that no repository links; the caller deletes their files. */
  sweepBlobs(window: SweepWindow, before: Date): Promise<Swept<StoredBlob>>;
  /**
   * Returns the locations of those files that a record names, or may name when their upload ends. At most 200 files.
   */
  namedOf(files: readonly StoredFile[]): Promise<ReadonlySet<string>>;
  /** Returns those of at most 200 upload ids that have a record. */
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
