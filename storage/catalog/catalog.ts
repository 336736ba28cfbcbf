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
 * The catalog records which content is kept, under which names, and which content refers to which. A BlobDriver keeps
 * the bytes.
 *
 * Terms:
 * - A repository is a name. It exists from its first link on.
 * - A blob is content with a digest, recorded once for all repositories. A link lets one repository read it.
 * - A manifest is a blob that refers to others: its config and layers, the members of an index, its subject.
 * - A tag is a name in a repository that points at one of its manifests.
 * - An upload is content that is still being received, in one repository.
 * - A claim keeps garbage collection off a file that no row names yet.
 * - The grace period protects a blob or manifest that nothing refers to: it may be part of a push that is not complete.
 *
 * Life cycle of an image: its blobs are uploaded and linked, each under a claim. Its manifest is put, with tags, after
 * everything it refers to is linked. Tags move to other manifests. A manifest is deleted together with its tags; its
 * links to blobs remain until garbage collection, which removes what nothing has referred to for a grace period, and
 * the bytes last.
 *
 * ```ts
 * await catalog.uploads.create('team/app', upload);
 * // The driver receives the bytes and commits them as `stored`.
 * await catalog.blobs.link('team/app', stored, { kind: 'upload', id: upload.id });
 * await catalog.manifests.put('team/app', manifest, { tags: ['1'], requireManifests: true });
 * const found = await catalog.manifests.find('team/app', { tag: '1' });
 * await catalog.tags.delete('team/app', '1'); // The manifest can still be found by its digest.
 * ```
 *
 * Each method is one transaction: it happens completely or not at all, and is durable when its promise resolves.
 * Callers validate names and tags. A change with `by` is recorded in `audit` and queued for `webhooks` in the same
 * transaction, and `tagRules` and `quotas` may refuse it with TagRefusedError or QuotaExceededError, in which case
 * nothing changes. Every implementation passes test/contract/catalog.ts.
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

/** Requests at most `limit` names after `after`, in byte order. */
export interface Page {
  readonly limit: number;
  readonly after?: string;
}

export interface NamePage {
  readonly names: readonly string[];
  /** Whether names remain after the last one of this page. */
  readonly more: boolean;
}

/** A repository and the description in the annotations of its images. */
export interface DescribedRepository {
  readonly name: string;
  readonly description?: string;
}

export interface RepositoryCatalog {
  list(page: Page): Promise<NamePage>;
  exists(repository: string): Promise<boolean>;
  /**
   * Returns at most `limit` repositories whose name or description contains `text`, ignoring case, by name. Yields to
   * the event loop after each 1,000 examined repositories.
   */
  search(text: string, page: Page): Promise<readonly DescribedRepository[]>;
  /** Replaces the description of an existing repository. */
  describe(repository: string, description: string): Promise<void>;
}

/**
 * Blocks garbage collection of a file until a row names it; storage/content-store.ts has the proof. An `upload` is the
 * row of the upload, which the transaction deletes; UploadUnknownError if it is gone. A `deadline` is the age of the
 * file; UploadUnknownError after `until`.
 */
export type FileClaim =
  | { readonly kind: 'upload'; readonly id: string }
  | { readonly kind: 'deadline'; readonly until: Date };

/** Minimum time between two renewals of a grace period, in milliseconds: readers should rarely write. */
export const TOUCH_INTERVAL = 60 * 1000;

export interface BlobCatalog {
  /**
   * Links a blob of the driver to the repository, which it creates if needed, and records the blob unless its digest is recorded.
   * Returns the recorded blob: if its location differs, the caller's file is a duplicate. Throws UploadUnknownError, and nothing
   * changes, if `claim` does not hold.
   */
  link(repository: string, blob: StoredBlob, claim?: FileClaim, by?: Actor): Promise<StoredBlob>;
  /** Returns the blob if the repository has a link to it. */
  find(repository: string, digest: Digest): Promise<StoredBlob | undefined>;
  /**
   * Like `find`, for callers that may refer to the blob or manifest next: renews its grace period, at most once per
   * TOUCH_INTERVAL.
   */
  findToRefer(repository: string, digest: Digest): Promise<StoredBlob | undefined>;
  /** Returns the blob of any repository. */
  findAnywhere(digest: Digest): Promise<StoredBlob | undefined>;
  /** Returns the sizes in bytes of the `digests` that the repository has a link to. */
  sizes(repository: string, digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>>;
  /** Returns at most `limit` repositories that have a link to the blob, unordered. */
  holders(digest: Digest, limit: number): Promise<readonly string[]>;
  /** Links a blob of `from` to `to` too. Returns undefined, and nothing changes, if `from` does not have it. */
  mount(from: string, to: string, digest: Digest, by?: Actor): Promise<StoredBlob | undefined>;
  /**
   * Removes the repository's link; the content remains until garbage collection. Returns whether there was one; false for a
   * manifest, which ManifestCatalog.delete deletes. With `by`, throws BlobInUseError if a manifest of the repository needs the blob
   * as its config or a layer.
   */
  unlink(repository: string, digest: Digest, by?: Actor): Promise<boolean>;
  /**
   * Points the record of `lost` at another file of the same digest. Returns false, and nothing changes, if it names a third file
   * or is gone. Throws UploadUnknownError if `claim` does not hold.
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

/** A manifest without its references: an index may have tens of thousands. */
export type FoundManifest = Omit<ManifestRecord, 'references'>;

/** A part of a list of manifests, ordered by digest. */
export interface ManifestWindow {
  readonly records: readonly FoundManifest[];
  /** The last digest that was examined, even if it is not in `records`; undefined at the end of the list. */
  readonly lookedUpTo: Digest | undefined;
}

/** Requests at most `limit` referrers whose digests come after `after`, of one type if it is given. */
export interface ReferrerPage extends Page {
  readonly artifactType?: string;
}

export interface ManifestPutOptions {
  readonly tags: readonly string[];
  readonly requireManifests: boolean;
  /** The claim of the manifest's own file. */
  readonly claim?: FileClaim;
  readonly by?: Actor;
  /** Checked first, for the tag if there is one, otherwise for the manifest's digest. */
  readonly precondition?: Precondition & { readonly tag?: string };
}

export interface ManifestCatalog {
  /**
   * Records a manifest and points `tags` at it; creates the repository if needed. The same transaction checks that every `config`
   * and `layer` is linked in the repository, and every `manifest` if `requireManifests`; a subject and a `foreign-layer` may be
   * missing. Returns the blob as BlobCatalog.link does. Nothing changes if it throws ManifestBlobUnknownError with everything that
   * is missing, UploadUnknownError if the claim does not hold, or PreconditionFailedError, which comes last.
   */
  put(repository: string, manifest: ManifestRecord, options: ManifestPutOptions): Promise<StoredBlob>;
  find(
    repository: string,
    reference: { readonly digest: Digest } | { readonly tag: string },
  ): Promise<FoundManifest | undefined>;
  /** Like `find`, with the references. */
  findByDigest(repository: string, digest: Digest): Promise<ManifestRecord | undefined>;
  /** Like `find`, with the references. */
  findByTag(repository: string, tag: string): Promise<ManifestRecord | undefined>;
  /** Removes the manifest and every tag that points at it. Returns whether it existed. Throws PreconditionFailedError. */
  delete(repository: string, digest: Digest, by?: Actor, precondition?: Precondition): Promise<boolean>;
  /**
   * Returns manifests of the repository whose subject is `digest`, ordered by their own digests. A window is shorter if annotations
   * or types are large.
   */
  referrers(repository: string, digest: Digest, page: ReferrerPage): Promise<ManifestWindow>;
  /**
   * Returns manifests without a subject that the index under `tag` lists and the repository has. `limit` counts entries of the
   * index, so a window may be empty before the end.
   */
  listed(repository: string, tag: string, page: ReferrerPage): Promise<ManifestWindow>;
}

export interface TagCatalog {
  list(repository: string, page: Page): Promise<NamePage>;
  /** Returns whether the tag existed. Throws PreconditionFailedError. */
  delete(repository: string, tag: string, by?: Actor, precondition?: Precondition): Promise<boolean>;
  /**
   * Points a deleted tag at its last manifest, and returns that; recorded as a push. Throws TagRefusedError;
   * TagRestoreError when the tag exists or the manifest does not; ManifestUnknownError when no such tag is known.
   */
  restore(repository: string, tag: string, by?: Actor): Promise<Digest>;
  /** Returns the changes of a tag, latest first. At least the last hundred are kept. */
  history(repository: string, tag: string, limit: number): Promise<readonly TagChange[]>;
}

export interface TagChange {
  /** Undefined if the tag was deleted. */
  readonly digest?: Digest;
  readonly changedAt: Date;
  /** The account; undefined for an anonymous user. */
  readonly who?: string;
}

export interface UploadRecord {
  readonly repository: string;
  readonly upload: DriverUpload;
  readonly startedAt: Date;
  readonly touchedAt: Date;
}

/** `create` and `update` are not synced: after a power cut an upload may be in an earlier state. */
export interface UploadCatalog {
  /** `account` is '' for an anonymous user. Throws TooManyUploadsError if the account has too many uploads. */
  create(repository: string, upload: DriverUpload, account?: string): Promise<void>;
  find(repository: string, id: string): Promise<UploadRecord | undefined>;
  /**
   * Replaces the state of an upload if its recorded size is still `expectedSize`. Throws UploadUnknownError if it is gone,
   * UploadBusyError if another request has changed it.
   */
  update(upload: DriverUpload, expectedSize: number): Promise<void>;
  delete(id: string): Promise<boolean>;
  /** Returns uploads that were last touched before `before`. */
  listIdle(before: Date, limit: number): Promise<readonly UploadRecord[]>;
  /** Deletes the uploads of `ids`, at most a few hundred, that were last touched before `before`. Returns their ids. */
  deleteIdle(ids: readonly string[], before: Date): Promise<ReadonlySet<string>>;
}

/** A fact that content does not contain. All lines together restore a lost catalog. */
export type NameLine =
  | { readonly repository: string; readonly description: string }
  | { readonly repository: string; readonly manifest: Digest; readonly mediaType: string }
  | { readonly repository: string; readonly manifest: Digest; readonly tag: string };

/** The names in a catalog. */
export interface NamesCatalog {
  /** Returns a number that changes with every change of tags or manifests. */
  version(): Promise<number>;
  /** Yields all names, read in several transactions: some may change in between. */
  lines(): AsyncIterable<NameLine>;
}
