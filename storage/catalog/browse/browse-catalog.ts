import type { Digest } from '../../../oci/digest.ts';
import type { Actor } from '../tag-rule-catalog.ts';

/** The repositories that a visitor may see. */
export interface VisibleNames {
  /**
   * A name must match a pattern of each list, in which `*` stands for any characters. Without a list every name
   * matches.
   */
  readonly patterns: readonly (readonly string[])[];
  /** Reports whether a name is among these. */
  includes(repository: string): boolean;
}

export const REPOSITORY_SORTS = ['name', 'size', 'pushed', 'pulled'] as const;
/** `pushed` and `pulled`: by the time of the last one. */
export type RepositorySort = (typeof REPOSITORY_SORTS)[number];

export const TAG_SORTS = ['name', 'time'] as const;
/** `time`: when the tag was last pushed. */
export type TagSort = (typeof TAG_SORTS)[number];

/** Names ascend by default; sizes and times descend, so that the largest and latest come first. */
export type SortOrder = 'ascending' | 'descending';

/** The position of an entry in a sorted list: its values in the columns of the order. The next page begins after it. */
export type SortKey = readonly (string | number)[];

/** At most `limit` entries of a sorted list, after the entry with the key `after`. */
export interface SortedPage<Sort> {
  readonly sort: Sort;
  readonly order?: SortOrder;
  /**
   * Only entries whose name (or for repositories, description) contains this text, ignoring the case of ASCII letters.
   */
  readonly search?: string;
  readonly limit: number;
  readonly after?: SortKey;
}

export interface RepositoryPage extends SortedPage<RepositorySort> {
  readonly visible: VisibleNames;
}

/** Some entries of a list. */
export interface Listed<Entry> {
  readonly entries: readonly Entry[];
  /** The `after` of the next page; undefined on the last page. */
  readonly next?: SortKey;
}

/**
 * A repository with a manifest. A repository begins with its first push; it is listed while it has a manifest, and
 * forgotten when garbage collection has deleted its last blob.
 */
export interface BrowsedRepository {
  readonly name: string;
  /** Plain text of one line, at most 1,000 characters, of the image that was tagged last and had one. */
  readonly description?: string;
  readonly tags: number;
  /** Number of images, indexes and artifacts, including members of indexes. */
  readonly manifests: number;
  /** Bytes of all blobs of the repository, each once, including blobs shared with other repositories. */
  readonly size: number;
  readonly lastPush?: Date;
  /** Exact to a minute; undefined: not since this is recorded. */
  readonly lastPull?: Date;
}

/** A repository, and the settings that apply to it. */
export interface BrowsedRepositoryDetails extends BrowsedRepository {
  readonly createdAt: Date;
  readonly quotas: readonly BrowsedQuota[];
  readonly tagRules: readonly BrowsedTagRule[];
}

/** A quota of the repository, which all repositories that match its pattern share. */
export interface BrowsedQuota {
  readonly pattern: string;
  readonly bytes: number;
  readonly used: number;
}

export interface BrowsedTagRule {
  readonly pattern: string;
  readonly tags: string;
  readonly kind: 'immutable' | 'protected';
}

/**
 * A tag: a name of a manifest. It exists from a push until it is deleted, alone or with its manifest, and can be
 * restored until garbage collection takes the manifest:
 *
 *     await catalog.tags.delete('team/app', '1.0', by);    // in browse.deletedTags from here on
 *     await catalog.tags.restore('team/app', '1.0', by);   // points at the same manifest again
 */
export interface BrowsedTag {
  readonly name: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly artifactType?: string;
  /**
   * Bytes of the manifest and everything that it needs, including members of an index, each blob once; undefined for
   * more than 1,000 blobs, or in a list for more than 10,000 divided by the number of requested tags.
   */
  readonly size?: number;
  /** Platforms of an index, such as `linux/arm64/v8`, at most 20; empty if it was pushed before this was recorded. */
  readonly platforms: readonly string[];
  readonly pushedAt: Date;
  /** The account; undefined when the pusher was anonymous or is unknown. */
  readonly pushedBy?: string;
  /** By the tag or the digest, exact to a minute. */
  readonly lastPull?: Date;
}

/** A search for tags by prefix, in all repositories that the visitor may see. */
export interface TagSearch {
  readonly visible: VisibleNames;
  /** The prefix, at least one character; case matters. */
  readonly prefix: string;
  readonly limit: number;
  /** A repository and one of its tags. */
  readonly after?: SortKey;
}

/** A tag, and its repository. */
export interface FoundTag {
  readonly repository: string;
  readonly name: string;
  readonly digest: Digest;
  readonly mediaType: string;
  /** At most 255 characters. */
  readonly artifactType?: string;
  readonly pushedAt: Date;
  readonly pushedBy?: string;
}

/** A tag that was deleted and whose manifest is still there. */
export interface DeletedTag {
  readonly name: string;
  readonly digest: Digest;
  readonly deletedAt: Date;
  readonly deletedBy?: string;
}

/** A manifest of a repository, by its digest or a tag. */
export type ManifestKey = { readonly digest: Digest } | { readonly tag: string };

/** A manifest, as the catalog records it. */
export interface BrowsedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly artifactType?: string;
  /** Bytes of the manifest itself. */
  readonly size: number;
  /** As BrowsedTag.size, but of at most 1,000 blobs. */
  readonly contentSize?: number;
  readonly pushedAt: Date;
  readonly pushedBy?: string;
  /** Last pull by its digest or a tag of it, exact to a minute. */
  readonly lastPull?: Date;
  /** At most 100, by name. */
  readonly tags: readonly string[];
  /** Number of tags; counted up to 10,000. */
  readonly tagCount: number;
  /** The indexes that list it, at most 20. */
  readonly indexes: readonly Digest[];
}

/** A manifest in the list of a repository. */
export interface ListedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  /** At most 255 characters. */
  readonly artifactType?: string;
  /** As BrowsedTag.size. */
  readonly size?: number;
  readonly pushedAt: Date;
  readonly pushedBy?: string;
  /** Its subject. */
  readonly subject?: Digest;
  /** Whether an index of the repository lists it. */
  readonly isMember: boolean;
  /** At most 20. */
  readonly tags: readonly string[];
  /** Counted up to 10,000. */
  readonly tagCount: number;
}

/** What deleting a whole repository removes. */
export interface DeletePlan {
  readonly tagCount: number;
  readonly manifestCount: number;
  /** Bytes that garbage collection will free. */
  readonly bytesFreed: number;
  /** Bytes that stay because other repositories have them. */
  readonly bytesKept: number;
  /** Whether the search was complete; otherwise the bytes cover only a part. */
  readonly complete: boolean;
  /** The sentence of the tag rule that forbids it. */
  readonly rule?: string;
  /** Why it cannot be deleted: a release runs one of its images. */
  readonly running?: string;
}

/** A manifest about another one. */
export interface BrowsedReferrer {
  /** Its subject, among the requested digests. */
  readonly about: Digest;
  readonly digest: Digest;
  readonly mediaType: string;
  /** At most 255 characters. */
  readonly artifactType?: string;
  /** Bytes of the manifest. */
  readonly size: number;
  /** Undefined if there are none, or they exceed 16,384 characters. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** The tag by which cosign or the referrers tag schema refers to it, if the manifest itself has no subject. */
  readonly tag?: string;
}

/** The other holders of a blob. */
export interface BlobSharing {
  readonly digest: Digest;
  /** Size in bytes; undefined if the repository does not have the blob. */
  readonly size?: number;
  /** Other manifests of the same repository that need it; counted up to 1,000. */
  readonly manifests: number;
  /** Other repositories that have it and that the visitor may see, at most 10, by name. */
  readonly repositories: readonly string[];
  /** Number of all other repositories that have it and that the visitor may see, among the first 200 that have it. */
  readonly repositoryCount: number;
}

/** The content of a tag or manifest, and the effect of deleting it. */
export interface Loss {
  /** Tags that are deleted, by name, at most 100. */
  readonly tags: readonly string[];
  readonly tagCount: number;
  /** Manifests that become unreferenced: the manifest itself, its members and referrers; at most 1,000. */
  readonly manifests: readonly Digest[];
  /** Bytes that garbage collection will free. */
  readonly bytesFreed: number;
  /** Bytes that stay because other images need them. */
  readonly bytesKept: number;
  /** Images of the repository that need some of these, as `TAG` or digest, at most 20. */
  readonly sharedWithImages: readonly string[];
  /** Other repositories that have some of these and that the visitor may see, at most 20. */
  readonly sharedWithRepositories: readonly string[];
  /** Whether other repositories, which are not named, have some. */
  readonly sharedWithOthers: boolean;
  /** Whether the search was complete; otherwise all numbers cover only a part. */
  readonly complete: boolean;
}

/**
 * Lists and details of the catalog for visitors who may not see all of it. Results never name a repository that
 * `visible` excludes. Each method takes one query, or a constant number of them, whatever the size. Names, tags and
 * digests must be validated by the caller; search texts need not be. Every implementation passes
 * test/contract/browse.ts.
 */
export interface BrowseCatalog {
  repositories(page: RepositoryPage): Promise<Listed<BrowsedRepository>>;
  /** Returns the number of repositories that the visitor may see, and the sum of their sizes. */
  sum(visible: VisibleNames): Promise<{ readonly repositories: number; readonly size: number }>;
  /** Returns undefined when there is no such repository; the caller has checked that the visitor may see it. */
  repository(name: string): Promise<BrowsedRepositoryDetails | undefined>;
  /** Returns undefined when there is no such repository. */
  tags(repository: string, page: SortedPage<TagSort>): Promise<Listed<BrowsedTag> | undefined>;
  /** Lists tags by repository and name. */
  findTags(search: TagSearch): Promise<Listed<FoundTag>>;
  /** Ordered by digest. Returns undefined when there is no such repository. */
  manifests(
    repository: string,
    page: Pick<SortedPage<TagSort>, 'limit' | 'after'>,
  ): Promise<Listed<ListedManifest> | undefined>;
  /** Returns undefined when the repository has no manifest. */
  planDelete(repository: string, by: Actor): Promise<DeletePlan | undefined>;
  /** Lists at most `limit` manifests that no other manifest of the repository lists: those to delete first. */
  nextToDelete(
    repository: string,
    limit: number,
  ): Promise<readonly { readonly digest: Digest; readonly tagCount: number }[]>;
  /** Tags that can be restored, the latest deleted first, at most 100. */
  deletedTags(repository: string): Promise<readonly DeletedTag[]>;
  manifest(repository: string, reference: ManifestKey): Promise<BrowsedManifest | undefined>;
  /** Lists manifests about these, by `subject`, a referrers tag or cosign's tags; at most 100 of each kind. */
  referrers(repository: string, digests: readonly Digest[]): Promise<readonly BrowsedReferrer[]>;
  /** In the order of `digests`, at most 1,000. */
  sharing(
    repository: string,
    manifest: Digest,
    digests: readonly Digest[],
    visible: VisibleNames,
  ): Promise<readonly BlobSharing[]>;
  /**
   * Returns what deleting a manifest, or one tag of it, removes. `untagged`: whether garbage collection removes
   * manifests without a tag; otherwise deleting a tag removes nothing else. Undefined when it does not exist.
   */
  loss(
    repository: string,
    reference: ManifestKey,
    options: { readonly untagged: boolean; readonly visible: VisibleNames },
  ): Promise<Loss | undefined>;
  /**
   * Returns the message of the tag rule that refuses a delete by `by`; undefined when none does, or it does not exist.
   */
  refusal(repository: string, reference: ManifestKey, by: Actor): Promise<string | undefined>;
}
