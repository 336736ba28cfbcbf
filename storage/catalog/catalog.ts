import type { DriverUpload, StoredBlob } from '../blobs/blob-driver.ts';
import type { Digest } from '../oci/digest.ts';

/**
 * What is kept, under which name, and what refers to what. Each method is one transaction: it happens wholly
 * or not at all, and is durable when its promise resolves. Names and tags are taken as validated.
 * Every implementation passes test/contract/catalog.ts.
 */
export interface Catalog {
  readonly repositories: RepositoryCatalog;
  readonly blobs: BlobCatalog;
  readonly manifests: ManifestCatalog;
  readonly tags: TagCatalog;
  readonly uploads: UploadCatalog;
  close(): Promise<void>;
}

/** At most `limit` names, in byte order, that come after `after`. */
export interface Page {
  readonly limit: number;
  readonly after?: string;
}

export interface NamePage {
  readonly names: readonly string[];
  /** True when names remain after the last one of this page. */
  readonly more: boolean;
}

export interface RepositoryCatalog {
  list(page: Page): Promise<NamePage>;
  exists(repository: string): Promise<boolean>;
}

export interface BlobCatalog {
  /** Records a blob of the driver and links it to the repository, which is made when it is new. */
  link(repository: string, blob: StoredBlob): Promise<void>;
  /** The blob, if this repository has a link to it. */
  find(repository: string, digest: Digest): Promise<StoredBlob | undefined>;
  /** The blob, whatever repository it belongs to. */
  findAnywhere(digest: Digest): Promise<StoredBlob | undefined>;
  /** Links a blob of `from` to `to` as well; undefined, and nothing changed, when `from` does not have it. */
  mount(from: string, to: string, digest: Digest): Promise<StoredBlob | undefined>;
  /** Removes the repository's link; the content stays until garbage collection. Answers whether it was there. */
  unlink(repository: string, digest: Digest): Promise<boolean>;
}

/** Part of a manifest that points at other content. */
export interface ManifestReference {
  readonly digest: Digest;
  readonly kind: 'config' | 'layer' | 'manifest' | 'subject';
}

/** A manifest as a repository holds it; its bytes are the blob. */
export interface ManifestRecord {
  readonly blob: StoredBlob;
  readonly mediaType: string;
  /** image-spec, "Guidelines for Artifact Usage": artifactType, or the config's media type. */
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly references: readonly ManifestReference[];
}

export interface ManifestCatalog {
  /**
   * Records a manifest and points `tags` at it, making the repository when it is new. Checks in the same
   * transaction that every `config` and `layer` is linked in the repository, and every `manifest` where
   * `requireManifests`; a subject may be missing. Throws ManifestBlobUnknownError with all that are missing.
   */
  put(
    repository: string,
    manifest: ManifestRecord,
    options: { readonly tags: readonly string[]; readonly requireManifests: boolean },
  ): Promise<void>;
  findByDigest(repository: string, digest: Digest): Promise<ManifestRecord | undefined>;
  findByTag(repository: string, tag: string): Promise<ManifestRecord | undefined>;
  /** Removes the manifest and every tag that points at it. Answers whether it was there. */
  delete(repository: string, digest: Digest): Promise<boolean>;
  /** Manifests of the repository whose subject is `digest`. */
  referrers(repository: string, digest: Digest): Promise<readonly ManifestRecord[]>;
}

export interface TagCatalog {
  list(repository: string, page: Page): Promise<NamePage>;
  /** Answers whether the tag was there. */
  delete(repository: string, tag: string): Promise<boolean>;
}

export interface UploadRecord {
  readonly repository: string;
  readonly upload: DriverUpload;
  readonly startedAt: Date;
  readonly touchedAt: Date;
}

export interface UploadCatalog {
  create(repository: string, upload: DriverUpload): Promise<void>;
  find(repository: string, id: string): Promise<UploadRecord | undefined>;
  /**
   * Replaces the state of an upload if its recorded size is still `expectedSize`. Throws UploadUnknownError
   * when it is gone, UploadBusyError when someone else has moved it on.
   */
  update(upload: DriverUpload, expectedSize: number): Promise<void>;
  delete(id: string): Promise<boolean>;
  /** Uploads that nobody has touched since `before`. */
  listIdle(before: Date, limit: number): Promise<readonly UploadRecord[]>;
}
