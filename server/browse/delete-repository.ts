import type { BrowseCatalog, DeletePlan } from '../../storage/catalog/browse/browse-catalog.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Actor } from '../../storage/catalog/tag-rule-catalog.ts';
import { ImageRunsError, NameUnknownError, TagRefusedError } from '../../storage/errors.ts';

/** Maximum manifests that one request deletes, each in its own transaction. */
const MOST_DELETED = 500;
const PAGE = 100;
/** Maximum tags that are deleted together with a manifest; more are deleted one by one. */
const MOST_TAGS = 1000;

export interface RepositoryLossView {
  /** False for a dry run. */
  readonly deleted: boolean;
  readonly tagCount: number;
  readonly manifestCount: number;
  readonly bytesFreed: number;
  readonly bytesKept: number;
  readonly complete: boolean;
  /** Why the delete would be refused. */
  readonly refusal?: string;
  /** Whether `force` would help. */
  readonly needsForce: boolean;
  /** Manifests that are left: the same request again deletes more. */
  readonly remaining: number;
}

export interface DeleteStores {
  readonly browse: Pick<BrowseCatalog, 'manifest' | 'nextToDelete' | 'planDelete'>;
  readonly catalog: Pick<Catalog, 'manifests' | 'tags'>;
}

/** Returns the consequences of deleting a repository. Throws NameUnknownError. */
export async function repositoryLoss(
  { browse }: Pick<DeleteStores, 'browse'>,
  repository: string,
  by: Actor,
): Promise<RepositoryLossView> {
  return viewOf(await planOf(browse, repository, by));
}

/**
 * Deletes the manifests of a repository with their tags, an index before its members, and at most 500 of them:
 * `remaining` is the number that is left. Nothing is deleted when a rule keeps one of the tags (TagRefusedError), or a
 * release runs one of the images and `by` does not override that (ImageRunsError). Throws NameUnknownError.
 */
export async function deleteRepository(
  stores: DeleteStores,
  repository: string,
  by: Actor,
  signal?: AbortSignal,
): Promise<RepositoryLossView> {
  const { browse, catalog } = stores;
  const plan = await planOf(browse, repository, by);
  if (plan.rule !== undefined) throw new TagRefusedError(plan.rule);
  if (plan.running !== undefined) throw new ImageRunsError(plan.running);
  let deleted = 0;
  while (deleted < MOST_DELETED) {
    const next = await browse.nextToDelete(repository, PAGE);
    for (const { digest, tagCount } of next) {
      signal?.throwIfAborted();
      if (tagCount > MOST_TAGS) await deleteTags(stores, repository, digest, by);
      if (await catalog.manifests.delete(repository, digest, by)) deleted += 1;
    }
    if (next.length === 0) break;
  }
  const left = await browse.planDelete(repository, by);
  return { ...viewOf(plan), deleted: true, remaining: left?.manifestCount ?? 0 };
}

async function deleteTags(
  { browse, catalog }: DeleteStores,
  repository: string,
  digest: Parameters<Catalog['manifests']['delete']>[1],
  by: Actor,
): Promise<void> {
  for (;;) {
    const found = await browse.manifest(repository, { digest });
    if (found === undefined || found.tagCount <= MOST_TAGS) return;
    for (const tag of found.tags) await catalog.tags.delete(repository, tag, by);
  }
}

async function planOf(browse: DeleteStores['browse'], repository: string, by: Actor): Promise<DeletePlan> {
  const plan = await browse.planDelete(repository, by);
  if (plan === undefined) throw new NameUnknownError(`there is no repository ${repository.slice(0, 255)}`);
  return plan;
}

function viewOf({ rule, running, ...plan }: DeletePlan): RepositoryLossView {
  const refusal = rule ?? running;
  return {
    ...plan,
    deleted: false,
    ...(refusal !== undefined && { refusal }),
    needsForce: rule === undefined && running !== undefined,
    remaining: plan.manifestCount,
  };
}
