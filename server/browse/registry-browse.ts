import { type Access, type Identity, nameOf } from '../../auth/access/access.ts';
import { type RepositoryAction, repositoryScope } from '../../auth/access/scope.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Manifest } from '../../oci/manifest.ts';
import { isRepositoryName, isTag, parseRepositoryName } from '../../oci/reference.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import type {
  BrowseCatalog,
  BrowsedManifest,
  RepositorySort,
  SortedPage,
  TagSearch,
  TagSort,
} from '../../storage/catalog/browse/browse-catalog.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Actor } from '../../storage/catalog/tag-rule-catalog.ts';
import { NameUnknownError, unknownManifest } from '../../storage/errors.ts';
import type { GarbagePolicy } from '../../storage/gc/collect-garbage.ts';
import { RegistryError } from '../errors.ts';
import type { ManifestCache } from '../registry/manifest-cache.ts';
import { mapOf } from './bounded.ts';
import type {
  Browse,
  ConsequencesView,
  DifferenceView,
  ManifestView,
  Reference,
  RepositoryRights,
} from './browse.ts';
import { refuseSearch } from './check-page.ts';
import type { ImageComparison } from './compare-images.ts';
import { type CopyStores, type CopyView, copyImage } from './copy-image.ts';
import { deleteRepository, type RepositoryLossView, repositoryLoss } from './delete-repository.ts';
import { configOf, layerDigests, layersOf, membersOf, parseContent } from './manifest-parts.ts';
import { ContentReader, LARGEST_MANIFEST } from './read-content.ts';
import { readmeOf } from './readme.ts';
import { referrerTree } from './referrer-views.ts';
import { type FleetStores, runningOf } from './running.ts';

export interface BrowseDependencies extends FleetStores {
  readonly access: Access;
  readonly catalog: Pick<Catalog, 'blobs' | 'manifests' | 'quotas' | 'repositories' | 'tags'>;
  readonly browse: BrowseCatalog;
  readonly blobs: Pick<BlobStore, 'read' | 'readAll'>;
  readonly content: CopyStores['content'];
  readonly manifestCache: ManifestCache;
  /** Whether tags and manifests can be deleted. */
  readonly deletes: boolean;
  readonly readOnly: boolean;
  /** The rules of garbage collection, which need not run automatically. */
  readonly garbage: Pick<GarbagePolicy, 'graceMs' | 'historyMs' | 'untagged'>;
  /** Called after a tag was restored or copied, as after a push; absent if no app follows tags. */
  readonly pushed?: (repository: string, tags: readonly string[], by: string) => void;
}

/** Shows the registry to its visitors; see Browse. */
export class RegistryBrowse implements Browse {
  readonly #dependencies: BrowseDependencies;
  readonly #content: ContentReader;
  #comparison: Promise<ImageComparison> | undefined;

  constructor(dependencies: BrowseDependencies) {
    this.#dependencies = dependencies;
    const { blobs, catalog, manifestCache } = dependencies;
    this.#content = new ContentReader(blobs, catalog, manifestCache);
  }

  async repositories(visitor: Identity, page: SortedPage<RepositorySort>) {
    refuseSearch(page.search);
    const { access, browse } = this.#dependencies;
    return browse.repositories({ ...page, visible: access.visible(visitor) });
  }

  async repository(visitor: Identity, name: string) {
    this.#see(visitor, name);
    const { browse, catalog } = this.#dependencies;
    const found = await browse.repository(name);
    if (found === undefined) throw unknownRepository(name);
    const readme = await readmeOf(catalog, this.#content, name);
    return { ...found, rights: this.#rights(visitor, name), ...(readme && { readme }) };
  }

  async tags(visitor: Identity, repository: string, page: SortedPage<TagSort>) {
    this.#see(visitor, repository);
    refuseSearch(page.search);
    const found = await this.#dependencies.browse.tags(repository, page);
    if (found === undefined) throw unknownRepository(repository);
    return found;
  }

  async findTags(visitor: Identity, search: Omit<TagSearch, 'visible'>) {
    refuseSearch(search.prefix);
    // Any beginning of a tag is a valid tag too, so an invalid prefix matches nothing.
    if (!isTag(search.prefix)) return { entries: [] };
    const { access, browse } = this.#dependencies;
    return browse.findTags({ ...search, visible: access.visible(visitor) });
  }

  async deletedTags(visitor: Identity, repository: string) {
    this.#see(visitor, repository);
    return this.#dependencies.browse.deletedTags(repository);
  }

  async manifest(visitor: Identity, repository: string, reference: Reference): Promise<ManifestView> {
    const found = await this.#find(visitor, repository, reference);
    const { access, browse, catalog } = this.#dependencies;
    const { digest } = found;
    const read = await this.#read(repository, found);
    const manifest = typeof read === 'string' ? undefined : read;
    const members = (manifest?.manifests ?? []).slice(0, MOST_MEMBERS).map((member) => member.digest);
    const direct = await browse.referrers(repository, [digest]);
    const indirect = await browse.referrers(repository, [...new Set(direct.map((one) => one.digest))]);
    const config = manifest && (await configOf(this.#content, repository, manifest));
    const [{ provenanceOf }, { sbomOf }, { SignatureReader }] = await Promise.all([
      import('./provenance.ts'),
      import('./sbom.ts'),
      import('./signatures.ts'),
    ]);
    const sbom = manifest && (await sbomOf(this.#content, repository, manifest));
    const provenance = manifest && (await provenanceOf(this.#content, repository, manifest));
    const own = manifest && (await new SignatureReader(this.#content, repository).of(manifest)).signatures;
    const signed = await new SignatureReader(this.#content, repository).ofAll([...direct, ...indirect]);
    const visible = access.visible(visitor);
    return {
      ...found,
      repository,
      ...(typeof read === 'string' && { problem: read }),
      annotations: mapOf(manifest?.annotations),
      members:
        manifest === undefined ? [] : membersOf(manifest, await catalog.blobs.sizes(repository, members)),
      layers:
        manifest === undefined
          ? []
          : layersOf(manifest, await browse.sharing(repository, digest, layerDigests(manifest), visible)),
      partCount: manifest === undefined ? 0 : manifest.layers.length + manifest.manifests.length,
      ...(config && { config: config.view }),
      history: config?.history ?? [],
      ...(sbom && { sbom }),
      ...(provenance && { provenance }),
      signatures: own ?? [],
      ...(manifest?.subject && { subject: manifest.subject.digest }),
      referrers: referrerTree(digest, direct, indirect, signed),
      running: (await this.#running(visitor, repository, digest)).shown,
      rights: this.#rights(visitor, repository),
    };
  }

  async consequences(visitor: Identity, repository: string, reference: Reference): Promise<ConsequencesView> {
    const found = await this.#find(visitor, repository, reference);
    this.#may(visitor, repository, 'delete');
    const { access, browse, garbage } = this.#dependencies;
    const options = { untagged: garbage.untagged, visible: access.visible(visitor) };
    const loss = await browse.loss(repository, reference, options);
    if (loss === undefined) throw unknownManifest(repository, reference);
    const running = await this.#running(visitor, repository, found.digest);
    const rule = await browse.refusal(repository, reference, this.#actor(visitor, repository, {}));
    // A tag may be deleted while a release has pinned its image by another one.
    const isPinned = running.isHeld && (!('tag' in reference) || running.tags.includes(reference.tag));
    const refusal =
      rule ?? (isPinned ? `${nameOfReference(repository, reference)} runs: ${FORCE}` : undefined);
    const time = loss.manifests.length > 0 ? Math.min(garbage.graceMs, garbage.historyMs) : garbage.historyMs;
    return {
      ...loss,
      running: running.shown,
      ...(refusal !== undefined && { refusal }),
      needsForce: rule === undefined && isPinned,
      ...('tag' in reference && { restorableUntil: new Date(Date.now() + time) }),
    };
  }

  async delete(
    visitor: Identity,
    repository: string,
    reference: Reference,
    { force = false, ...origin }: Pick<Actor, 'address'> & { readonly force?: boolean },
  ): Promise<void> {
    this.#see(visitor, repository);
    this.#may(visitor, repository, 'delete');
    const { catalog } = this.#dependencies;
    const by = { ...this.#actor(visitor, repository, origin), ...(force && { overrides: true as const }) };
    const deleted =
      'digest' in reference
        ? await catalog.manifests.delete(repository, reference.digest, by)
        : await catalog.tags.delete(repository, reference.tag, by);
    if (!deleted) throw unknownManifest(repository, reference);
  }

  async restore(
    visitor: Identity,
    repository: string,
    tag: string,
    origin: Pick<Actor, 'address'>,
  ): Promise<Digest> {
    this.#see(visitor, repository);
    this.#may(visitor, repository, 'push');
    const { catalog, pushed } = this.#dependencies;
    const digest = await catalog.tags.restore(repository, tag, this.#actor(visitor, repository, origin));
    pushed?.(repository, [tag], nameOf(visitor) ?? '');
    return digest;
  }

  async manifests(visitor: Identity, repository: string, page: Parameters<Browse['manifests']>[2]) {
    this.#see(visitor, repository);
    const found = await this.#dependencies.browse.manifests(repository, page);
    if (found === undefined) throw unknownRepository(repository);
    return found;
  }

  async copy(
    visitor: Identity,
    repository: string,
    reference: Reference,
    { address, referrers = false, signal, tag, to }: Parameters<Browse['copy']>[3],
  ): Promise<CopyView> {
    const { digest } = await this.#find(visitor, repository, reference);
    this.#may(visitor, parseRepositoryName(to), 'push');
    const by = this.#actor(visitor, to, address === undefined ? {} : { address });
    const copied = await copyImage(this.#dependencies, {
      ...{ from: repository, digest, to, referrers, by },
      ...(tag !== undefined && { tag }),
      ...(signal && { signal }),
    });
    if (tag !== undefined) this.#dependencies.pushed?.(to, [tag], nameOf(visitor) ?? '');
    return copied;
  }

  async deleteRepository(
    visitor: Identity,
    repository: string,
    { dryRun = false, force = false, signal, ...origin }: Parameters<Browse['deleteRepository']>[2],
  ): Promise<RepositoryLossView> {
    this.#see(visitor, repository);
    this.#may(visitor, repository, 'delete');
    const by = { ...this.#actor(visitor, repository, origin), ...(force && { overrides: true as const }) };
    return dryRun
      ? repositoryLoss(this.#dependencies, repository, by)
      : deleteRepository(this.#dependencies, repository, by, signal);
  }

  async difference(
    visitor: Identity,
    repository: string,
    { from, to, platform }: Parameters<Browse['difference']>[2],
  ): Promise<DifferenceView> {
    const one = await this.#find(visitor, repository, from);
    const other = await this.#find(visitor, repository, to);
    return (await this.#comparing()).difference(repository, one, other, platform);
  }

  async files(
    visitor: Identity,
    repository: string,
    { from, to, platform }: Parameters<Browse['difference']>[2],
    signal: AbortSignal,
  ) {
    const one = await this.#find(visitor, repository, from);
    const other = await this.#find(visitor, repository, to);
    return (await this.#comparing()).files(repository, one, other, platform, signal);
  }

  async diskUse(visitor: Identity, page: Pick<SortedPage<RepositorySort>, 'limit' | 'after'>) {
    const { access, browse } = this.#dependencies;
    const visible = access.visible(visitor);
    const listed = await browse.repositories({ ...page, sort: 'size', visible });
    const { repositories, size } = await browse.sum(visible);
    return { ...listed, repositoryCount: repositories, size };
  }

  /** Loads the code that only comparisons need. */
  #comparing(): Promise<ImageComparison> {
    this.#comparison ??= import('./compare-images.ts').then(
      ({ ImageComparison }) => new ImageComparison(this.#dependencies.browse, this.#content),
    );
    return this.#comparison;
  }

  /** Throws NameUnknownError if there is no such repository, or the visitor may not see it. */
  #see(visitor: Identity, repository: string): void {
    const { access } = this.#dependencies;
    if (isRepositoryName(repository) && access.allows(visitor, repositoryScope(repository, 'pull'))) return;
    throw unknownRepository(repository);
  }

  /** Throws UNAUTHORIZED or DENIED if the visitor lacks the right. */
  #may(visitor: Identity, repository: string, action: RepositoryAction): void {
    const { access, deletes, readOnly } = this.#dependencies;
    if (!access.allows(visitor, repositoryScope(repository, action))) {
      const what = action === 'delete' ? `delete from ${repository}` : `push to ${repository}`;
      if (visitor.kind === 'anonymous') throw new RegistryError('UNAUTHORIZED', `log in to ${what}`);
      throw new RegistryError('DENIED', `${nameOf(visitor)} is not allowed to ${what}`);
    }
    if (readOnly) throw new RegistryError('METHOD_UNSUPPORTED', 'this registry is read-only for now');
    if (action === 'delete' && !deletes) {
      throw new RegistryError('METHOD_UNSUPPORTED', 'deletes are switched off in this registry');
    }
  }

  #rights(visitor: Identity, repository: string): RepositoryRights {
    const { access, deletes, readOnly } = this.#dependencies;
    const may = (action: RepositoryAction) => access.allows(visitor, repositoryScope(repository, action));
    return { push: !readOnly && may('push'), delete: !readOnly && deletes && may('delete') };
  }

  #actor(visitor: Identity, repository: string, { address }: Pick<Actor, 'address'>): Actor {
    const name = nameOf(visitor);
    return {
      ...(name !== undefined && { name }),
      ...(address !== undefined && { address }),
      standing: this.#dependencies.access.standing(visitor, repository),
    };
  }

  /** Throws NameUnknownError, ManifestUnknownError. */
  async #find(visitor: Identity, repository: string, reference: Reference): Promise<BrowsedManifest> {
    this.#see(visitor, repository);
    const found = await this.#dependencies.browse.manifest(repository, reference);
    if (found === undefined) throw unknownManifest(repository, reference);
    return found;
  }

  #running(visitor: Identity, repository: string, digest: Digest) {
    const { access } = this.#dependencies;
    return runningOf(this.#dependencies, repository, digest, (app) =>
      access.allows(visitor, repositoryScope(app, 'pull')),
    );
  }

  /** Returns a stored manifest; a sentence if it cannot be shown. */
  async #read(repository: string, { digest, mediaType }: BrowsedManifest): Promise<Manifest | string> {
    return parseContent(await this.#content.manifestOf(repository, digest, LARGEST_MANIFEST), mediaType);
  }
}

const MOST_MEMBERS = 1000;
const FORCE = 'deploy another image there first, or repeat it with ?force=true';

function nameOfReference(repository: string, reference: Reference): string {
  return 'tag' in reference ? `${repository}:${reference.tag}` : `${repository}@${reference.digest}`;
}

function unknownRepository(name: string): NameUnknownError {
  return new NameUnknownError(`there is no repository ${name.slice(0, 255)}`);
}
