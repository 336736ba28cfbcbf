import type { Identity } from '../../auth/access/access.ts';
import type { Digest } from '../../oci/digest.ts';
import type {
  BlobSharing,
  BrowsedManifest,
  BrowsedRepository,
  BrowsedRepositoryDetails,
  BrowsedTag,
  DeletedTag,
  FoundTag,
  Listed,
  ListedManifest,
  Loss,
  ManifestKey,
  RepositorySort,
  SortedPage,
  TagSearch,
  TagSort,
} from '../../storage/catalog/browse/browse-catalog.ts';
import type { Actor } from '../../storage/catalog/tag-rule-catalog.ts';
import type { CopyView } from './copy-image.ts';
import type { RepositoryLossView } from './delete-repository.ts';

/** The rights of a visitor on a visible repository. */
export interface RepositoryRights {
  readonly push: boolean;
  readonly delete: boolean;
}

export interface RepositoryView extends BrowsedRepositoryDetails {
  readonly rights: RepositoryRights;
  /**
   * The README: raw Markdown or text that strangers wrote, at most 64 KB, to be sanitised when it is rendered. From the
   * artifact under the tag `readme`, such as `oras push HOST/NAME:readme README.md:text/markdown`, or else the annotation
   * `org.opencontainers.image.description` of `latest`.
   */
  readonly readme?: Readme;
}

export interface Readme {
  readonly text: string;
  readonly mediaType: 'text/markdown' | 'text/plain';
  /** Whether the text was cut at 64 KB. */
  readonly truncated: boolean;
}

/** A member of an index. */
export interface MemberView {
  readonly digest: Digest;
  /** Such as `linux/arm64/v8`; undefined if the index states none. */
  readonly platform?: string;
  readonly mediaType: string;
  readonly artifactType?: string;
  /** Bytes of the member's manifest. */
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  /** Whether the repository has it: a sparse index has only some members. */
  readonly present: boolean;
}

/** A layer, or another blob of an artifact, lowest first. */
export interface LayerView {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes, as the manifest states. */
  readonly size: number;
  /** Whether another registry serves it, so that it need not be in this one. */
  readonly foreign: boolean;
  /** Whether it exists; without it the image cannot be pulled. */
  readonly present: boolean;
  readonly annotations: Readonly<Record<string, string>>;
  readonly sharedBy: Pick<BlobSharing, 'manifests' | 'repositories' | 'repositoryCount'>;
}

/** An instruction of the build, and the layer that it made. */
export interface HistoryView {
  readonly createdBy: string;
  readonly created?: string;
  readonly author?: string;
  readonly comment?: string;
  /** The layer's index in `layers`; undefined if it made none, or the manifest has fewer layers than the history. */
  readonly layer?: number;
}

/** The readable part of an image's configuration; each text is cut at 8 KB, each list at 1,000. */
export interface ConfigView {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  /** Why it is not shown: it is missing, too large, or not an image configuration. Then there are no other fields. */
  readonly problem?: string;
  readonly platform?: string;
  readonly created?: string;
  readonly author?: string;
  readonly user?: string;
  readonly workingDirectory?: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment: readonly string[];
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal?: string;
}

/** A package that an SBOM lists; each text is cut at 256 characters. */
export interface PackageView {
  readonly name: string;
  readonly version?: string;
  readonly licence?: string;
}

/** The readable part of an SBOM. */
export interface SbomView {
  readonly format?: 'SPDX' | 'CycloneDX' | 'Syft';
  /** Why nothing is listed: it is missing, larger than 2 MiB, or of another format. */
  readonly problem?: string;
  /** At most 1,000, and 64 KB together. */
  readonly packages: readonly PackageView[];
  /** How many there are. */
  readonly packageCount: number;
}

/** The provenance that a build states: nothing is verified. Each text has at most 1,000 characters. */
export interface ProvenanceView {
  /** Why nothing is shown: it is missing, larger than 2 MiB, or of another format. */
  readonly problem?: string;
  readonly builder?: string;
  readonly buildType?: string;
  readonly source?: string;
  /** Revision of the source: a commit, or another digest. */
  readonly revision?: string;
  readonly entryPoint?: string;
  readonly invocation?: string;
  readonly started?: Date;
  readonly finished?: Date;
  /** Addresses of the build's materials; the first 100, 64 KB together. */
  readonly materials: readonly string[];
  /** Number of all materials. */
  readonly materialCount: number;
}

export const REFERRER_KINDS = ['signature', 'sbom', 'provenance', 'attestation', 'other'] as const;
export type ReferrerKind = (typeof REFERRER_KINDS)[number];

/** A signature of cosign or Notation, as its maker describes it: nothing is verified. */
export interface SignatureView {
  /** `unknown` means that it was not read. */
  readonly by: 'key' | 'certificate' | 'unknown';
  /** SHA-256 of the public key as PKIX (DER), if known: from a certificate, a bundle or an entry of Rekor's log. */
  readonly key?: Digest;
  /** Alternative names of the certificate, such as `email:ada@example.com`, or its subject; at most 1,000 characters. */
  readonly subject?: string;
  /** The OpenID Connect provider that authenticated the subject, as Fulcio writes it into its certificates. */
  readonly provider?: string;
  /** The certificate's issuer; at most 1,000 characters. */
  readonly issuer?: string;
  /** SHA-256 of the signature itself; undefined if it is in an envelope, which is not read. */
  readonly digest?: Digest;
  /** Why it is not shown completely. */
  readonly problem?: string;
}

/** A manifest about another one. */
export interface ReferrerView {
  readonly digest: Digest;
  readonly kind: ReferrerKind;
  readonly mediaType: string;
  readonly artifactType?: string;
  /** Bytes of its manifest. */
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  /** At most 10, from the first 20 manifests that have some, 2 MiB together. */
  readonly signatures: readonly SignatureView[];
  /** Its referrers, such as a signature of an SBOM. Two levels, 100 entries each. */
  readonly referrers: readonly ReferrerView[];
}

/** A release that has the image, of an app that the visitor may see. */
export interface RunningView {
  readonly app: string;
  readonly release: number;
  readonly service: string;
  /** Names of the hosts that run it now. */
  readonly hosts: readonly string[];
  /** False if it is kept only for a rollback. */
  readonly runs: boolean;
}

export interface ManifestView extends BrowsedManifest {
  readonly repository: string;
  /** Why annotations, parts, configuration and history are not shown: the manifest is larger than 1 MiB, or damaged. */
  readonly problem?: string;
  /** At most 1,000, and 64 KB together. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Members of an index; at most 1,000. */
  readonly members: readonly MemberView[];
  /** Layers of an image or artifact; at most 1,000. */
  readonly layers: readonly LayerView[];
  /** Number of all layers or members. */
  readonly partCount: number;
  readonly config?: ConfigView;
  readonly history: readonly HistoryView[];
  /** Present for an artifact that is an SBOM. */
  readonly sbom?: SbomView;
  /** Present for an attestation that has one. */
  readonly provenance?: ProvenanceView;
  /** Present for an artifact that holds signatures; at most 10. */
  readonly signatures: readonly SignatureView[];
  readonly subject?: Digest;
  readonly referrers: readonly ReferrerView[];
  readonly running: readonly RunningView[];
  readonly rights: RepositoryRights;
}

/** The consequences of a delete; for `dryRun`, the possible ones. */
export interface ConsequencesView extends Loss {
  /** Where the image runs, in apps that the visitor may see. */
  readonly running: readonly RunningView[];
  /** Why it would be refused: a tag rule, or a release that runs it; undefined if it is allowed. */
  readonly refusal?: string;
  /** Whether `force` helps: a release runs the image, and no rule protects it. */
  readonly needsForce: boolean;
  /** The tag can be restored at least until then; undefined if its manifest is deleted at once. */
  readonly restorableUntil?: Date;
}

export interface DifferenceView {
  /** For indexes: the platform whose images are compared. */
  readonly platform?: string;
  readonly from: Digest;
  readonly to: Digest;
  /** In the order of the layers: first the common ones, as long as they are the same. */
  readonly layers: readonly {
    readonly digest: Digest;
    readonly size: number;
    readonly change: 'same' | 'removed' | 'added';
  }[];
  /** Bytes that a client with `from` downloads for `to`. */
  readonly download: number;
  /** Fields of the configuration that differ, such as `user`; lists as JSON. */
  readonly configuration: readonly Change[];
  readonly environment: readonly Change[];
  readonly labels: readonly Change[];
  readonly packages: PackageChangesView;
}

/** Packages that differ according to the SBOMs of two images; no changes if one of these is missing. */
export interface PackageChangesView {
  /** The manifests that have the SBOMs; undefined if none can be read. */
  readonly from?: Digest;
  readonly to?: Digest;
  readonly added: number;
  readonly removed: number;
  /** Number of packages with other versions. */
  readonly changed: number;
  /** Names, and the versions of each side; at most 1,000, and 64 KB together. */
  readonly changes: readonly Change[];
}

export const FILE_KINDS = ['file', 'hardlink', 'symlink', 'char', 'block', 'folder', 'fifo'] as const;

export interface FileView {
  readonly kind: (typeof FILE_KINDS)[number];
  /** Permission bits. */
  readonly mode: number;
  /** Bytes of a file; 0 for all others. */
  readonly size: number;
}

/** A file that differs. */
export interface FileChange {
  readonly path: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly before?: FileView;
  readonly after?: FileView;
}

/**
 * Files that differ between two images, by the layers that they do not share. Shared layers are not read, so an added
 * file may replace one of theirs.
 */
export interface FileChangesView {
  readonly platform?: string;
  readonly from: Digest;
  readonly to: Digest;
  /** Why nothing is compared: there is too much to read, or a layer is missing or damaged. */
  readonly problem?: string;
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  /** At most 1,000, and 64 KB of paths. */
  readonly changes: readonly FileChange[];
}

/** A value that differs; undefined on a side without it. */
export interface Change {
  readonly name: string;
  readonly before?: string;
  readonly after?: string;
}

/** A tag or a digest. */
export type Reference = ManifestKey;

/**
 * What a visitor sees and does in the registry, for the pages and the management API. Rights are decided here: what the
 * visitor may not see throws NameUnknownError or ManifestUnknownError, as if it were not there (404), and what they may see
 * but not do throws RegistryError DENIED (403), or UNAUTHORIZED (401) for nobody. Input is checked: SettingInvalidError names
 * the parameter (400).
 *
 *     const { entries, next } = await browse.repositories(identity, { sort: 'pushed', limit: 50 });
 *     const app = await browse.repository(identity, 'team/app');
 *     const manifest = await browse.manifest(identity, 'team/app', { tag: '1.0' });
 *     const loss = await browse.consequences(identity, 'team/app', { tag: '1.0' });
 *     await browse.delete(identity, 'team/app', { tag: '1.0' }, { address });
 *     await browse.restore(identity, 'team/app', '1.0', { address });
 */
export interface Browse {
  /** Lists repositories, by name by default. */
  repositories(visitor: Identity, page: SortedPage<RepositorySort>): Promise<Listed<BrowsedRepository>>;
  repository(visitor: Identity, name: string): Promise<RepositoryView>;
  tags(visitor: Identity, repository: string, page: SortedPage<TagSort>): Promise<Listed<BrowsedTag>>;
  /** Finds tags of all repositories that the visitor may see, by repository and tag. */
  findTags(visitor: Identity, search: Omit<TagSearch, 'visible'>): Promise<Listed<FoundTag>>;
  deletedTags(visitor: Identity, repository: string): Promise<readonly DeletedTag[]>;
  manifest(visitor: Identity, repository: string, reference: Reference): Promise<ManifestView>;
  consequences(visitor: Identity, repository: string, reference: Reference): Promise<ConsequencesView>;
  /** Deletes a tag, or a manifest with its tags. `force` includes images that a release runs. */
  delete(
    visitor: Identity,
    repository: string,
    reference: Reference,
    options: Pick<Actor, 'address'> & { readonly force?: boolean },
  ): Promise<void>;
  /** Restores a deleted tag; returns its manifest. Throws TagRestoreError (409). */
  restore(
    visitor: Identity,
    repository: string,
    tag: string,
    options: Pick<Actor, 'address'>,
  ): Promise<Digest>;
  /** Lists manifests by digest. */
  manifests(
    visitor: Identity,
    repository: string,
    page: Pick<SortedPage<TagSort>, 'limit' | 'after'>,
  ): Promise<Listed<ListedManifest>>;
  /**
   * Copies an image into the repository `to`, or gives it another tag, without moving its content: for people who may
   * pull from one repository and push to the other. Throws what a push throws.
   */
  copy(
    visitor: Identity,
    repository: string,
    reference: Reference,
    options: Pick<Actor, 'address'> & {
      readonly to: string;
      readonly tag?: string;
      /** Whether to copy signatures, SBOMs and other referrers too. */
      readonly referrers?: boolean;
      readonly signal?: AbortSignal;
    },
  ): Promise<CopyView>;
  /** Deletes everything in a repository, or a part of it if there is much: `remaining` is the rest. */
  deleteRepository(
    visitor: Identity,
    repository: string,
    options: Pick<Actor, 'address'> & {
      readonly dryRun?: boolean;
      /** Also deletes images that a release runs. */
      readonly force?: boolean;
      readonly signal?: AbortSignal;
    },
  ): Promise<RepositoryLossView>;
  /** Compares two images; of two indexes those of `platform`, or of the first platform of `from` that both have. */
  difference(
    visitor: Identity,
    repository: string,
    sides: { readonly from: Reference; readonly to: Reference; readonly platform?: string },
  ): Promise<DifferenceView>;
  /** Reads layers, with limits, on explicit request. Throws as `difference`, and the signal's reason. */
  files(
    visitor: Identity,
    repository: string,
    sides: Parameters<Browse['difference']>[2],
    signal: AbortSignal,
  ): Promise<FileChangesView>;
  /** Returns the sizes of all repositories that the visitor may see: in total, and the largest first. */
  diskUse(visitor: Identity, page: Pick<SortedPage<RepositorySort>, 'limit' | 'after'>): Promise<DiskUseView>;
}

export interface DiskUseView extends Listed<BrowsedRepository> {
  /** Repositories that the visitor may see. */
  readonly repositoryCount: number;
  /** The sum of their sizes: a blob of several repositories counts for each. */
  readonly size: number;
}
