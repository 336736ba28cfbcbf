import type { Digest } from '../../oci/digest.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import type { ManifestName } from './garbage-catalog.ts';

/** Some items in the catalog's order. */
export interface Listed<Item> {
  readonly items: readonly Item[];
  /** What the next call gets as `after`; absent at the end. */
  readonly next?: string;
}

/** What a check of the whole store needs to see, and to mend. */
export interface CheckCatalog {
  /** What the database itself finds wrong with its file and its foreign keys; empty when all is well. */
  databaseErrors(): Promise<readonly string[]>;
  listBlobs(after: string | undefined, limit: number): Promise<Listed<StoredBlob>>;
  listManifests(after: string | undefined, limit: number): Promise<Listed<ManifestName>>;
  /** What a manifest needs and its repository does not have: configs, layers, and the manifest itself. */
  missingLinks(manifest: ManifestName): Promise<readonly Digest[]>;
  /** Gives a repository a link to a blob that is recorded; false when it is not. */
  addLink(repository: string, digest: Digest): Promise<boolean>;
  /** Names of all that is broken without a blob, such as `team/app:1`; what has no tag as `team/app@sha256:…`. */
  dependants(digest: Digest): Promise<readonly string[]>;
  /**
   * Removes the record of a blob with its links, and where it is a manifest that with its tags. False, and
   * nothing changed, when the record names another file by now.
   */
  forget(blob: StoredBlob): Promise<boolean>;
}
