import type { Knex } from 'knex';
import type { Digest } from '../../../oci/digest.ts';
import type { Actor } from '../tag-rule-catalog.ts';
import type {
  BrowseCatalog,
  ManifestKey,
  RepositoryPage,
  SortedPage,
  TagSearch,
  TagSort,
  VisibleNames,
} from './browse-catalog.ts';
import { listManifests, nextToDelete, planDelete } from './browse-contents.ts';
import { findLoss, type LossOptions } from './browse-loss.ts';
import { findManifest, shareBlobs } from './browse-manifests.ts';
import { listReferrers } from './browse-referrers.ts';
import { findRepository, listRepositories, sumRepositories } from './browse-repositories.ts';
import { findTags } from './browse-tag-search.ts';
import { listDeletedTags, listTags } from './browse-tags.ts';
import { refusalOfDelete } from './refusal-of-delete.ts';

/** The BrowseCatalog in the catalog's tables. */
export class KnexBrowse implements BrowseCatalog {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  repositories(page: RepositoryPage) {
    return listRepositories(this.#knex, page);
  }

  sum(visible: VisibleNames) {
    return sumRepositories(this.#knex, visible);
  }

  repository(name: string) {
    return findRepository(this.#knex, name);
  }

  tags(repository: string, page: SortedPage<TagSort>) {
    return listTags(this.#knex, repository, page);
  }

  findTags(search: TagSearch) {
    return findTags(this.#knex, search);
  }

  manifests(repository: string, page: Pick<SortedPage<TagSort>, 'limit' | 'after'>) {
    return listManifests(this.#knex, repository, page);
  }

  planDelete(repository: string, by: Actor) {
    return planDelete(this.#knex, repository, by);
  }

  nextToDelete(repository: string, limit: number) {
    return nextToDelete(this.#knex, repository, limit);
  }

  deletedTags(repository: string) {
    return listDeletedTags(this.#knex, repository);
  }

  manifest(repository: string, reference: ManifestKey) {
    return findManifest(this.#knex, repository, reference);
  }

  referrers(repository: string, digests: readonly Digest[]) {
    return listReferrers(this.#knex, repository, digests);
  }

  sharing(repository: string, manifest: Digest, digests: readonly Digest[], visible: VisibleNames) {
    return shareBlobs(this.#knex, repository, manifest, digests, visible);
  }

  loss(repository: string, reference: ManifestKey, options: LossOptions) {
    return findLoss(this.#knex, repository, reference, options);
  }

  refusal(repository: string, reference: ManifestKey, by: Actor) {
    return refusalOfDelete(this.#knex, repository, reference, by);
  }
}
