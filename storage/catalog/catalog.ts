import type { Digest } from '../../oci/digest.ts';
import type { ManifestReference } from '../../oci/manifest.ts';
import type { DriverUpload, StoredBlob } from '../blobs/blob-driver.ts';
import type { AuditCatalog } from './audit-catalog.ts';
import type { CheckCatalog } from './check-catalog.ts';
import type { GarbageCatalog } from './garbage-catalog.ts';
import type { Precondition } from './preconditions.ts';
import type { QuotaCatalog } from './quota-catalog.ts';
import type { Actor, TagRuleCatalog } from './tag-rule-catalog.ts';
import type { WebhookCatalog } from './webhook-catalog.ts';

/**
 * What is kept, under which name, and what refers to what. Each method is one transaction: it happens wholly
 * or not at all, and is durable when its promise resolves. Names and tags are taken as validated.
 * Changes that are made for somebody (`by`) are recorded in `audit` and queued for `webhooks` by the same transaction,
 * and refused with TagRefusedError and QuotaExceededError, with nothing changed, where `tagRules` and `quotas` say so.
 * Every implementation passes test/contract/catalog.ts.
 */
export interface Catalog {
  readonly repositories: RepositoryCatalog;
  readonly blobs: BlobCatalog;
  readonly manifests: ManifestCatalog;
  readonly tags: TagCatalog;
  readonly uploads: UploadCatalog;
  readonly garbage: GarbageCatalog;
  readonly check: CheckCatalog;
  readonly names: NamesCatalog;
  readonly audit: AuditCatalog;
  readonly webhooks: WebhookCatalog;
  readonly tagRules: TagRuleCatalog;
  readonly quotas: QuotaCatalog;
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

/** A repository and what its images say about themselves. */
export interface DescribedRepository {
  readonly name: string;
  readonly description?: string;
}

export interface RepositoryCatalog {
  list(page: Page): Promise<NamePage>;
  exists(repository: string): Promise<boolean>;
  /** Of those that `list` gives, at most `limit` whose name or description holds `text`, in any case, by name. */
  search(text: string, page: Page): Promise<readonly DescribedRepository[]>;
  /** Replaces the description, for people, of a repository that is there. */
  describe(repository: string, description: string): Promise<void>;
}

/**
 * What keeps garbage collection off a file until a row names it (see storage/content-store.ts, which says why).
 * `upload`: the row of the upload, which goes in the transaction that makes the other one; UploadUnknownError
 * when it is gone. `deadline`: the file's age; UploadUnknownError when `until` has passed.
 */
export type FileClaim =
  | { readonly kind: 'upload'; readonly id: string }
  | { readonly kind: 'deadline'; readonly until: Date };

/** Milliseconds for which a grace period that has begun anew is not begun again: readers shall seldom write. */
export const TOUCH_INTERVAL = 60 * 1000;

export interface BlobCatalog {
  /**
   * Links a blob of the driver to the repository, which is made when it is new, and records it unless the
   * digest is recorded already. Answers the blob as it is recorded: where its location is another one, the
   * caller's file is of no use. Throws UploadUnknownError, and nothing changes, when `claim` does not hold.
   */
  link(repository: string, blob: StoredBlob, claim?: FileClaim, by?: Actor): Promise<StoredBlob>;
  /** The blob, if this repository has a link to it. */
  find(repository: string, digest: Digest): Promise<StoredBlob | undefined>;
  /**
   * As find, for somebody who may go on to refer to the blob or manifest: its grace period begins anew,
   * unless that was done within the last TOUCH_INTERVAL.
   */
  findToRefer(repository: string, digest: Digest): Promise<StoredBlob | undefined>;
  /** The blob, whatever repository it belongs to. */
  findAnywhere(digest: Digest): Promise<StoredBlob | undefined>;
  /** The sizes, in bytes, of those of `digests` that the repository has a link to. */
  sizes(repository: string, digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>>;
  /** At most `limit` of the repositories that have a link to the blob, in no order. */
  holders(digest: Digest, limit: number): Promise<readonly string[]>;
  /** Links a blob of `from` to `to` as well; undefined, and nothing changed, when `from` does not have it. */
  mount(from: string, to: string, digest: Digest, by?: Actor): Promise<StoredBlob | undefined>;
  /**
   * Removes the repository's link; the content stays until garbage collection. Answers whether it was there;
   * a manifest is not, for it is deleted as one. Throws BlobInUseError, where somebody asks for it, when a manifest
   * of the repository needs the blob as its config or a layer.
   */
  unlink(repository: string, digest: Digest, by?: Actor): Promise<boolean>;
  /**
   * Makes the record of `lost` name another file of the same digest; false, and nothing changed, when it names
   * a third one or is gone. Throws UploadUnknownError when `claim` does not hold.
   */
  relocate(lost: StoredBlob, found: StoredBlob, claim: FileClaim): Promise<boolean>;
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

/** A manifest without what it refers to: an index may refer to tens of thousands. */
export type FoundManifest = Omit<ManifestRecord, 'references'>;

/** Some of a list of manifests, in the order of their digests. */
export interface ManifestWindow {
  readonly records: readonly FoundManifest[];
  /** The last digest that was looked at, whether it is among the records or not; undefined at the end of the list. */
  readonly lookedUpTo: Digest | undefined;
}

/** The next `limit` referrers whose digests come after `after`; those of another type, where one is given, are left out. */
export interface ReferrerPage extends Page {
  readonly artifactType?: string;
}

export interface ManifestPutOptions {
  readonly tags: readonly string[];
  readonly requireManifests: boolean;
  /** Of the manifest's own file. */
  readonly claim?: FileClaim;
  readonly by?: Actor;
  /** What must hold before, of the tag or else of the manifest by its digest. */
  readonly precondition?: Precondition & { readonly tag?: string };
}

export interface ManifestCatalog {
  /**
   * Records a manifest and points `tags` at it, making the repository when it is new. Checks in the same
   * transaction that every `config` and `layer` is linked in the repository, and every `manifest` where
   * `requireManifests`; a subject and a `foreign-layer` may be missing. Answers the blob as BlobCatalog.link does. Throws
   * ManifestBlobUnknownError with all that are missing, UploadUnknownError when the claim does not hold,
   * PreconditionFailedError, and nothing changes, where nothing else is wrong.
   */
  put(repository: string, manifest: ManifestRecord, options: ManifestPutOptions): Promise<StoredBlob>;
  find(
    repository: string,
    reference: { readonly digest: Digest } | { readonly tag: string },
  ): Promise<FoundManifest | undefined>;
  /** With all that it refers to. */
  findByDigest(repository: string, digest: Digest): Promise<ManifestRecord | undefined>;
  /** With all that it refers to. */
  findByTag(repository: string, tag: string): Promise<ManifestRecord | undefined>;
  /** Removes the manifest and every tag that points at it. Answers whether it was there. Throws PreconditionFailedError. */
  delete(repository: string, digest: Digest, by?: Actor, precondition?: Precondition): Promise<boolean>;
  /**
   * Manifests of the repository whose subject is `digest`, ordered by their own. A window is shorter when their
   * annotations or types are large.
   */
  referrers(repository: string, digest: Digest, page: ReferrerPage): Promise<ManifestWindow>;
  /**
   * The manifests without a subject that the index under `tag` lists and the repository has. `limit` counts what the
   * index lists, so that there may be none in a window that is not the last.
   */
  listed(repository: string, tag: string, page: ReferrerPage): Promise<ManifestWindow>;
}

export interface TagCatalog {
  list(repository: string, page: Page): Promise<NamePage>;
  /** Answers whether the tag was there. Throws PreconditionFailedError. */
  delete(repository: string, tag: string, by?: Actor, precondition?: Precondition): Promise<boolean>;
  /** What the tag was made to point at, the latest change first; at least the last hundred changes are kept. */
  history(repository: string, tag: string, limit: number): Promise<readonly TagChange[]>;
}

export interface TagChange {
  /** Undefined when the tag was deleted. */
  readonly digest?: Digest;
  readonly changedAt: Date;
  /** The account; undefined when nobody was logged in. */
  readonly who?: string;
}

export interface UploadRecord {
  readonly repository: string;
  readonly upload: DriverUpload;
  readonly startedAt: Date;
  readonly touchedAt: Date;
}

/** A power cut may bring back what `create` and `update` have replaced; nothing else does. */
export interface UploadCatalog {
  /** `account` is who uploads; '' for nobody. Throws TooManyUploadsError when it has very many already. */
  create(repository: string, upload: DriverUpload, account?: string): Promise<void>;
  find(repository: string, id: string): Promise<UploadRecord | undefined>;
  /**
   * Replaces the state of an upload if its recorded size is still `expectedSize`. Throws UploadUnknownError
   * when it is gone, UploadBusyError when someone else has moved it on.
   */
  update(upload: DriverUpload, expectedSize: number): Promise<void>;
  delete(id: string): Promise<boolean>;
  /** Uploads that nobody has touched since `before`. */
  listIdle(before: Date, limit: number): Promise<readonly UploadRecord[]>;
  /** Deletes those uploads, a few hundred at most, that nobody has touched since `before`; answers which. */
  deleteIdle(ids: readonly string[], before: Date): Promise<ReadonlySet<string>>;
}

/** One thing that content does not say about itself; all of them together bring a lost catalog back. */
export type NameLine =
  | { readonly repository: string; readonly description: string }
  | { readonly repository: string; readonly manifest: Digest; readonly mediaType: string }
  | { readonly repository: string; readonly manifest: Digest; readonly tag: string };

/** The names in a catalog. */
export interface NamesCatalog {
  /** Another number after any change of tags or manifests. */
  version(): Promise<number>;
  /** All names, read in pieces: others may change some meanwhile. */
  lines(): AsyncIterable<NameLine>;
}
