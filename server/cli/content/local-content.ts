import { ANONYMOUS, OPEN_ACCESS } from '../../../auth/access/access.ts';
import { AuthError } from '../../../auth/errors.ts';
import { isDigest } from '../../../oci/digest.ts';
import { OciError } from '../../../oci/errors.ts';
import { parseTag } from '../../../oci/reference.ts';
import type {
  Listed,
  RepositorySort,
  SortedPage,
  TagSort,
} from '../../../storage/catalog/browse/browse-catalog.ts';
import { KnexBrowse } from '../../../storage/catalog/browse/knex-browse.ts';
import { ContentStore } from '../../../storage/content-store.ts';
import { StorageError } from '../../../storage/errors.ts';
import { garbagePolicy } from '../../../storage/gc/garbage-policy.ts';
import type { Browse, Reference } from '../../browse/browse.ts';
import { RegistryBrowse } from '../../browse/registry-browse.ts';
import { RegistryError } from '../../errors.ts';
import { ApiError } from '../remote/api-error.ts';
import type { DataOptions } from '../remote/registry-command.ts';
import { loadStoredConfig } from '../stored-config.ts';
import { openStoredRegistry, type StoredRegistry } from '../stored-registry.ts';
import type { ContentDoor, CopyOptions, DeleteOptions, ListOptions, ManifestName } from './door.ts';
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

/** Entries per read. */
const PAGE = 100;

/** Opens the content in the data of this machine, whether or not a server is running. Throws ConfigError. */
export async function openLocalContent(flags: DataOptions): Promise<ContentDoor> {
  const config = loadStoredConfig({ ...flags });
  const registry = await openStoredRegistry(config);
  const { apps, blobs, catalog, database, hosts } = registry;
  const browse = new RegistryBrowse({
    access: OPEN_ACCESS,
    apps,
    hosts,
    blobs,
    catalog,
    content: new ContentStore(catalog, blobs),
    browse: new KnexBrowse(database),
    manifestCache: { get: () => undefined, set: () => undefined },
    deletes: true,
    readOnly: false,
    garbage: garbagePolicy(config.gcGrace, config.gcUntagged),
  });
  return new LocalContent(registry, browse);
}

/** The content in the data of this machine. Access to the data implies all rights, so none are checked. */
class LocalContent implements ContentDoor {
  readonly host = undefined;
  readonly #registry: StoredRegistry;
  readonly #browse: Browse;

  constructor(registry: StoredRegistry, browse: Browse) {
    this.#registry = registry;
    this.#browse = browse;
  }

  repositories(options: ListOptions<RepositorySort>): Promise<readonly RepositoryView[]> {
    const { sort = 'name', search } = options;
    return answer(() =>
      allPages((page) => this.#browse.repositories(ANONYMOUS, { ...page, sort, ...(search && { search }) })),
    );
  }

  diskUse(): Promise<DiskUse> {
    return answer(async () => {
      const { size } = await this.#browse.diskUse(ANONYMOUS, { limit: 1 });
      return { size, repositories: await allPages((page) => this.#browse.diskUse(ANONYMOUS, page)) };
    });
  }

  tags(repository: string, options: ListOptions<TagSort>): Promise<readonly TagView[]> {
    const { sort = 'name', search } = options;
    return answer(() =>
      allPages((page) =>
        this.#browse.tags(ANONYMOUS, repository, { ...page, sort, ...(search && { search }) }),
      ),
    );
  }

  manifest({ repository, reference }: ManifestName): Promise<ManifestView> {
    return answer(() => this.#browse.manifest(ANONYMOUS, repository, referenceOf(reference)));
  }

  delete(
    { repository, reference }: ManifestName,
    { dryRun, force }: DeleteOptions,
  ): Promise<ConsequencesView> {
    return answer(async () => {
      const wanted = referenceOf(reference);
      const consequences = await this.#browse.consequences(ANONYMOUS, repository, wanted);
      if (!dryRun) await this.#browse.delete(ANONYMOUS, repository, wanted, { force });
      return { deleted: !dryRun, ...consequences };
    });
  }

  manifests(repository: string): Promise<readonly ManifestEntry[]> {
    return answer(() => allPages((page) => this.#browse.manifests(ANONYMOUS, repository, page)));
  }

  copy({ repository, reference }: ManifestName, options: CopyOptions): Promise<CopyView> {
    return answer(() => this.#browse.copy(ANONYMOUS, repository, referenceOf(reference), options));
  }

  deleteRepository(repository: string, options: DeleteOptions): Promise<RepositoryLossView> {
    return answer(() => this.#browse.deleteRepository(ANONYMOUS, repository, options));
  }

  restore(repository: string, tag: string): Promise<string> {
    return answer(() => this.#browse.restore(ANONYMOUS, repository, parseTag(tag), {}));
  }

  difference(
    repository: string,
    from: string,
    to: string,
    platform: string | undefined,
  ): Promise<DifferenceView> {
    return answer(() =>
      this.#browse.difference(ANONYMOUS, repository, {
        from: referenceOf(from),
        to: referenceOf(to),
        ...(platform !== undefined && { platform }),
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#registry[Symbol.asyncDispose]();
  }
}

type Page = Pick<SortedPage<string>, 'limit' | 'after'>;

async function allPages<Entry>(read: (page: Page) => Promise<Listed<Entry>>): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  let page: Page = { limit: PAGE };
  for (;;) {
    const { entries: more, next } = await read(page);
    entries.push(...more);
    if (next === undefined) return entries;
    page = { limit: PAGE, after: next };
  }
}

/** Throws OciError. */
function referenceOf(text: string): Reference {
  return isDigest(text) ? { digest: text } : { tag: parseTag(text) };
}

/** Returns the result of `work` as the API does: times are texts. Throws ApiError for its refusals. */
async function answer<View>(work: () => Promise<object | string>): Promise<View> {
  try {
    return JSON.parse(JSON.stringify(await work())) as View;
  } catch (error) {
    const kinds = [AuthError, OciError, RegistryError, StorageError];
    if (!(error instanceof Error) || !kinds.some((kind) => error instanceof kind)) throw error;
    throw new ApiError(400, error.message, [], { cause: error });
  }
}
