import { repositoryScope } from '../../auth/access/scope.ts';
import { type Digest, isDigest } from '../../oci/digest.ts';
import { isRepositoryName } from '../../oci/repository-name.ts';
import type { StoredBlob } from '../../storage/blobs/blob-driver.ts';
import type { RequestContext } from '../request-context.ts';
import { actorOf } from './authorize.ts';
import { queryOf } from './parameters.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';

type Dependencies = Pick<RegistryDependencies, 'access' | 'catalog'>;

/** Repositories that are looked at for one that the client may read, when it names none. */
const MOST_LOOKED_AT = 1000;

/**
 * Makes the blob of `?mount=` one of `repository` too, from the repository that `from` names or, without it, from
 * any that the client may read (distribution-spec, "Mounting a blob from another repository"). Undefined when
 * there is nothing to mount or it may not be: then the client uploads, and learns no more.
 */
export async function mountBlob(
  ctx: RequestContext,
  dependencies: Dependencies,
  repository: string,
): Promise<StoredBlob | undefined> {
  const digest = queryOf(ctx, 'mount');
  if (digest === undefined || !isDigest(digest)) return undefined;
  const { access, catalog } = dependencies;
  const { identity } = ctx.state;
  if (queryOf(ctx, 'from') === undefined) return mountFromAny(ctx, dependencies, repository, digest);
  const from = mountSourceOf(ctx);
  if (from === undefined || !access.allows(identity, repositoryScope(from, 'pull'))) return undefined;
  return catalog.blobs.mount(from, repository, digest, actorOf(ctx, access, repository));
}

/** The repository that `from` names, if it is the name of one. */
export function mountSourceOf(ctx: RequestContext): string | undefined {
  const from = queryOf(ctx, 'from');
  return from !== undefined && isRepositoryName(from) ? from : undefined;
}

async function mountFromAny(
  ctx: RequestContext,
  { access, catalog }: Dependencies,
  repository: string,
  digest: Digest,
): Promise<StoredBlob | undefined> {
  for (const name of await catalog.blobs.holders(digest, MOST_LOOKED_AT)) {
    if (!access.allows(ctx.state.identity, repositoryScope(name, 'pull'))) continue;
    const mounted = await catalog.blobs.mount(name, repository, digest, actorOf(ctx, access, repository));
    if (mounted !== undefined) return mounted;
  }
  return undefined;
}
