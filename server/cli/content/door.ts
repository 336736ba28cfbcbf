import type { RepositorySort, TagSort } from '../../../storage/catalog/browse/browse-catalog.ts';
import type { RegistryApi } from '../remote/registry-api.ts';
import type {
  ConsequencesView,
  CopyView,
  DifferenceView,
  DiskUse,
  ManifestEntry,
  ManifestView,
  RepositoryLossView,
  RepositoryView,
  TagView,
} from './views.ts';

/** A manifest of a repository, by a tag or a digest. */
export interface ManifestName {
  readonly repository: string;
  readonly reference: string;
}

export interface ListOptions<Sort> {
  readonly sort?: Sort;
  /** Only names that contain this text. */
  readonly search?: string;
}

export interface DeleteOptions {
  /** Whether nothing is deleted. */
  readonly dryRun: boolean;
  /** Whether images that a release runs are deleted too. */
  readonly force: boolean;
}

export interface CopyOptions {
  /** The repository of the copy. */
  readonly to: string;
  readonly tag?: string;
  /** Whether signatures, SBOMs and other referrers are copied too. */
  readonly referrers: boolean;
}

/**
 * Reads and changes the content for commands: through a registry's API, or in the data of this machine. Every method
 * throws ApiError.
 */
export interface ContentDoor extends AsyncDisposable {
  /** Host and port of the registry, with which names of images may begin; undefined for the data of this machine. */
  readonly host: string | undefined;
  /** Returns all pages. */
  repositories(options: ListOptions<RepositorySort>): Promise<readonly RepositoryView[]>;
  /** Returns all repositories, the largest first. */
  diskUse(): Promise<DiskUse>;
  /** Returns all pages. */
  tags(repository: string, options: ListOptions<TagSort>): Promise<readonly TagView[]>;
  manifest(name: ManifestName): Promise<ManifestView>;
  /** Returns what is deleted, or would be. */
  delete(name: ManifestName, options: DeleteOptions): Promise<ConsequencesView>;
  /** Returns all pages, by digest. */
  manifests(repository: string): Promise<readonly ManifestEntry[]>;
  copy(name: ManifestName, options: CopyOptions): Promise<CopyView>;
  /** Deletes everything, or a part of it if there is much: `remaining` is the rest. */
  deleteRepository(repository: string, options: DeleteOptions): Promise<RepositoryLossView>;
  /** Restores a deleted tag, and returns the digest of its manifest. */
  restore(repository: string, tag: string): Promise<string>;
  difference(
    repository: string,
    from: string,
    to: string,
    platform: string | undefined,
  ): Promise<DifferenceView>;
}

/** Fields of a repository that commands read. */
const REPOSITORY = ['name', 'size', 'tags'];
/** Entries of a page of the API. */
const PAGE = '100';

/** A registry's API. */
export class RemoteContent implements ContentDoor {
  readonly #api: RegistryApi;

  constructor(api: RegistryApi) {
    this.#api = api;
  }

  get host(): string {
    return this.#api.url.host;
  }

  repositories(options: ListOptions<RepositorySort>): Promise<readonly RepositoryView[]> {
    return this.#all<RepositoryView>('repositories', options, 'repositories', REPOSITORY);
  }

  async diskUse(): Promise<DiskUse> {
    const { size } = await this.#api.call<DiskUse>('GET', 'disk-use?limit=1', { fields: ['size'] });
    return { size, repositories: await this.#all('disk-use', {}, 'repositories', REPOSITORY) };
  }

  tags(repository: string, options: ListOptions<TagSort>): Promise<readonly TagView[]> {
    const path = repositoryPath(repository, 'tags');
    return this.#all<TagView>(path, options, 'tags', ['name', 'digest', 'platforms', 'pushedAt']);
  }

  manifest(name: ManifestName): Promise<ManifestView> {
    return this.#api.call('GET', manifestPath(name), { fields: ['digest'] });
  }

  delete(name: ManifestName, { dryRun, force }: DeleteOptions): Promise<ConsequencesView> {
    const query = new URLSearchParams({ 'dry-run': String(dryRun), force: String(force) });
    const fields = ['deleted', 'bytesFreed', 'bytesKept', 'manifests', 'tags', 'tagCount', 'running'];
    return this.#api.call('DELETE', `${manifestPath(name)}?${query}`, { fields });
  }

  manifests(repository: string): Promise<readonly ManifestEntry[]> {
    const path = repositoryPath(repository, 'manifests');
    const fields = ['digest', 'mediaType', 'pushedAt', 'isMember', 'tags', 'tagCount'];
    return this.#all<ManifestEntry>(path, {}, 'manifests', fields);
  }

  copy(name: ManifestName, { to, ...body }: CopyOptions): Promise<CopyView> {
    const fields = ['digest', 'manifests', 'mounted', 'bytes', 'referrers', 'keptTags'];
    return this.#api.call('POST', `${manifestPath(name)}/copy`, {
      body: { repository: to, ...body },
      fields,
    });
  }

  deleteRepository(repository: string, { dryRun, force }: DeleteOptions): Promise<RepositoryLossView> {
    const query = new URLSearchParams({ 'dry-run': String(dryRun), force: String(force) });
    const fields = ['deleted', 'tagCount', 'manifestCount', 'bytesFreed', 'bytesKept', 'remaining'];
    return this.#api.call('DELETE', `repositories/${encodeURIComponent(repository)}?${query}`, { fields });
  }

  async restore(repository: string, tag: string): Promise<string> {
    const path = repositoryPath(repository, `deleted-tags/${encodeURIComponent(tag)}/restore`);
    const options = { body: {}, fields: ['digest'] };
    return (await this.#api.call<{ digest: string }>('POST', path, options)).digest;
  }

  difference(
    repository: string,
    from: string,
    to: string,
    platform: string | undefined,
  ): Promise<DifferenceView> {
    const query = new URLSearchParams({ from, to, ...(platform !== undefined && { platform }) });
    const fields = ['layers', 'download', 'configuration', 'environment', 'labels', 'packages'];
    return this.#api.call('GET', repositoryPath(repository, `difference?${query}`), { fields });
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** Returns the entries of all pages, which are in a field of each; `fields` are the required fields of an entry. */
  async #all<Entry>(
    path: string,
    { sort, search }: ListOptions<string>,
    list: string,
    fields: readonly string[],
  ): Promise<readonly Entry[]> {
    const entries: Entry[] = [];
    for (let after: string | null | undefined; after !== null; ) {
      const query = new URLSearchParams({
        limit: PAGE,
        ...(sort !== undefined && { sort }),
        ...(search !== undefined && { search }),
        ...(after !== undefined && { after }),
      });
      const page: Readonly<Record<string, readonly Entry[]>> & { readonly next: string | null } =
        await this.#api.call('GET', `${path}?${query}`, { fields: [list] });
      for (const entry of page[list] ?? []) {
        this.#api.requireFields(entry, fields);
        entries.push(entry);
      }
      after = page.next ?? null;
    }
    return entries;
  }
}

function repositoryPath(repository: string, rest: string): string {
  return `repositories/${encodeURIComponent(repository)}/${rest}`;
}

function manifestPath({ repository, reference }: ManifestName): string {
  return repositoryPath(repository, `manifests/${encodeURIComponent(reference)}`);
}
