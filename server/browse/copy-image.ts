import type { Digest } from '../../oci/digest.ts';
import { MAX_MANIFEST_SIZE, type Manifest, readManifest } from '../../oci/manifest.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { BrowseCatalog } from '../../storage/catalog/browse/browse-catalog.ts';
import type { Catalog, FoundManifest } from '../../storage/catalog/catalog.ts';
import type { Actor } from '../../storage/catalog/tag-rule-catalog.ts';
import { type ContentStore, recordedFields } from '../../storage/content-store.ts';
import { RegistryError } from '../errors.ts';
import { recordDescription } from '../registry/repository-description.ts';

/** Maximum manifests of one copy. */
const MOST_MANIFESTS = 1000;
/** Referrers per read. */
const PAGE = 100;

export interface CopyStores {
  readonly catalog: Pick<Catalog, 'blobs' | 'manifests' | 'quotas' | 'repositories'>;
  readonly browse: Pick<BrowseCatalog, 'referrers'>;
  readonly blobs: Pick<BlobStore, 'readAll'>;
  readonly content: Pick<ContentStore, 'putManifest'>;
}

export interface CopyWanted {
  readonly from: string;
  readonly digest: Digest;
  readonly to: string;
  /** If absent, the copy has no tag. */
  readonly tag?: string;
  /** Whether signatures, SBOMs and other referrers are copied too. */
  readonly referrers: boolean;
  readonly by: Actor;
  readonly signal?: AbortSignal;
}

export interface CopyView {
  readonly digest: Digest;
  /** Manifests that the target did not have. */
  readonly manifests: number;
  /** Blobs that the target did not have, and their bytes. */
  readonly mounted: number;
  readonly bytes: number;
  /** Manifests about the image that the target did not have. */
  readonly referrers: number;
  /** Tags of signatures that the target already uses for something else: they are unchanged. */
  readonly keptTags: readonly string[];
}

/**
 * Copies an image within the registry: blobs are mounted and manifests pushed, members of an index first and `tag`
 * last, as a client would do it, so that rules, quotas, audit and webhooks apply. Repeating an interrupted copy
 * completes it. Throws what a push throws, and RegistryError MANIFEST_TOO_LARGE for an image of more than 1,000
 * manifests.
 */
export async function copyImage(stores: CopyStores, wanted: CopyWanted): Promise<CopyView> {
  return new Copy(stores, wanted).run();
}

class Copy {
  readonly #stores: CopyStores;
  readonly #wanted: CopyWanted;
  readonly #seen = new Set<Digest>();
  #manifests = 0;
  #mounted = 0;
  #bytes = 0;

  constructor(stores: CopyStores, wanted: CopyWanted) {
    this.#stores = stores;
    this.#wanted = wanted;
  }

  async run(): Promise<CopyView> {
    const { catalog } = this.#stores;
    const { digest, referrers, tag, to } = this.#wanted;
    await catalog.quotas.refuseIfFull(to);
    const top = await this.#copy(digest, tag === undefined ? [] : [tag]);
    if (top !== undefined && tag !== undefined) await recordDescription(this.#stores, to, top);
    const before = this.#manifests;
    const keptTags = referrers ? await this.#copyReferrers() : [];
    return {
      digest,
      manifests: before,
      mounted: this.#mounted,
      bytes: this.#bytes,
      referrers: this.#manifests - before,
      keptTags,
    };
  }

  /** Copies a manifest with its dependencies; returns undefined when the source does not have it. */
  async #copy(digest: Digest, tags: readonly string[]): Promise<Manifest | undefined> {
    const { blobs, catalog, content } = this.#stores;
    const { by, from, signal, to } = this.#wanted;
    signal?.throwIfAborted();
    const found = await catalog.manifests.find(from, { digest });
    if (found === undefined) return undefined;
    this.#seen.add(digest);
    if (this.#seen.size > MOST_MANIFESTS) {
      throw new RegistryError('MANIFEST_TOO_LARGE', `one copy has at most ${MOST_MANIFESTS} manifests`);
    }
    const bytes = await blobs.readAll(found.blob, MAX_MANIFEST_SIZE);
    const manifest = readManifest(bytes, found.mediaType);
    for (const member of manifest.manifests) {
      if (!this.#seen.has(member.digest)) await this.#copy(member.digest, []);
    }
    const isThere = await this.#isThere(found);
    if (isThere && tags.length === 0) return manifest;
    for (const { digest: part, kind } of manifest.references) {
      if (kind === 'config' || kind === 'layer' || kind === 'foreign-layer') await this.#mount(part);
    }
    await content.putManifest(
      to,
      { bytes, digest, ...recordedFields(manifest) },
      { tags, requireManifests: false, by },
      signal,
    );
    if (!isThere) this.#manifests += 1;
    return manifest;
  }

  async #isThere({ blob }: FoundManifest): Promise<boolean> {
    const { catalog } = this.#stores;
    const { to } = this.#wanted;
    // In this order: the first call renews the grace period, and the content may have been a plain blob until now.
    await catalog.blobs.findToRefer(to, blob.digest);
    return (await catalog.manifests.find(to, { digest: blob.digest })) !== undefined;
  }

  async #mount(digest: Digest): Promise<void> {
    const { catalog } = this.#stores;
    const { by, from, signal, to } = this.#wanted;
    signal?.throwIfAborted();
    if ((await catalog.blobs.findToRefer(to, digest)) !== undefined) return;
    const mounted = await catalog.blobs.mount(from, to, digest, by);
    if (mounted === undefined) return;
    this.#mounted += 1;
    this.#bytes += mounted.size;
  }

  /** Copies the referrers of each copied manifest, and theirs; returns tags that were not moved. */
  async #copyReferrers(): Promise<readonly string[]> {
    const { browse } = this.#stores;
    const { from } = this.#wanted;
    const kept = new Set<string>();
    // The set grows meanwhile.
    for (const digest of this.#seen) {
      await this.#copySubjects(digest);
      const about = await browse.referrers(from, [digest]);
      const tags = new Set(about.flatMap(({ tag }) => (tag === undefined ? [] : [tag])));
      for (const tag of tags) if (!(await this.#copyTag(tag))) kept.add(tag);
    }
    return [...kept].sort();
  }

  async #copySubjects(digest: Digest): Promise<void> {
    const { catalog } = this.#stores;
    const { from } = this.#wanted;
    for (let after: Digest | undefined; ; ) {
      const page = await catalog.manifests.referrers(from, digest, { limit: PAGE, ...(after && { after }) });
      for (const { blob } of page.records) {
        if (!this.#seen.has(blob.digest)) await this.#copy(blob.digest, []);
      }
      after = page.lookedUpTo;
      if (after === undefined) return;
    }
  }

  /** Returns false when the target has another manifest under the tag. */
  async #copyTag(tag: string): Promise<boolean> {
    const { catalog } = this.#stores;
    const { from, to } = this.#wanted;
    const found = await catalog.manifests.find(from, { tag });
    if (found === undefined) return true;
    const there = await catalog.manifests.find(to, { tag });
    if (there !== undefined) return there.blob.digest === found.blob.digest;
    await this.#copy(found.blob.digest, [tag]);
    return true;
  }
}
