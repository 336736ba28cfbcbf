import type { Digest } from '../../oci/digest.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import type { ManifestName } from './garbage-catalog.ts';

/** Some items in the catalog's order. */
export interface Listed<Item> {
  readonly items: readonly Item[];
  /** The next call's `after`; absent on the last page. */
  readonly next?: string;
}

/** Queries and repairs for a check of the whole store. */
export interface CheckCatalog {
  /** Returns errors that the database finds in its file and its foreign keys; empty when there are none. */
  databaseErrors(): Promise<readonly string[]>;
  listBlobs(after: string | undefined, limit: number): Promise<Listed<StoredBlob>>;
  listManifests(after: string | undefined, limit: number): Promise<Listed<ManifestName>>;
  /** Returns the configs, layers and the manifest itself that a manifest needs but its repository lacks. */
  missingLinks(manifest: ManifestName): Promise<readonly Digest[]>;
  /** Links a recorded blob to a repository; returns false when it is not recorded. */
  addLink(repository: string, digest: Digest): Promise<boolean>;
  /**
   * Names everything that is broken without a blob, such as `team/app:1`; untagged manifests as `team/app@sha256:…`.
   */
  dependants(digest: Digest): Promise<readonly string[]>;
  /**
   * Removes the record of a blob with its links and, if it is a manifest, with its tags. Returns false, and changes
   * nothing, when the record now names another file.
   */
  forget(blob: StoredBlob): Promise<boolean>;
}
