import { isDigest } from '../../oci/digest.ts';
import { isRepositoryName, isTag } from '../../oci/reference.ts';
import type { Browse, Reference } from '../browse/browse.ts';
import { RegistryError } from '../errors.ts';
import type { RequestContext, RequestRouter } from '../request-context.ts';
import { showAccess } from './access-page.ts';
import type { ApiCalls } from './api-calls.ts';
import { showComparison } from './comparison-page.ts';
import { askToDelete, deleteReference } from './delete-page.ts';
import { restoreTag, showDeletedTags } from './deleted-tags-page.ts';
import { showManifest } from './manifest-page.ts';
import { asked } from './page-context.ts';
import { showRepository } from './repository-page.ts';
import type { RepositoryPage } from './repository-paths.ts';

/**
 * Adds the pages about a repository: `/repositories/NAME`, with suffixes after `/-/`, which no name contains. `Browse`
 * decides whether the visitor may see the repository. `api` is absent without accounts.
 */
export function addRepositoryPages(router: RequestRouter, browse: Browse, api: ApiCalls | undefined): void {
  router.get('/repositories', (ctx) => ctx.redirect(`${ctx.state.pathPrefix}/`));

  router.get('/repositories/*rest', async (ctx) => {
    const { below, page } = placeOf(ctx, browse);
    const [kind = '', reference = '', ...more] = below === undefined ? [] : below.split('/');
    if (below === undefined) return showRepository(ctx, page);
    if (more.length === 0 && kind === 'tags') return showManifest(ctx, page, readReference(reference));
    if (more.length === 0 && kind === 'manifests') return showManifest(ctx, page, readReference(reference));
    if (below === 'compare') {
      const [from, to] = [readReference(asked(ctx, 'from')), readReference(asked(ctx, 'to'))];
      return showComparison(ctx, page, from, to);
    }
    if (below === 'delete') return askToDelete(ctx, page, readReference(asked(ctx, 'reference')));
    if (below === 'deleted') return showDeletedTags(ctx, page);
    if (below === 'access' && api !== undefined) return showAccess(ctx, page, api);
    throw nothingHere();
  });

  router.post('/repositories/*rest', async (ctx) => {
    const { below, page } = placeOf(ctx, browse);
    if (below === 'delete') return deleteReference(ctx, page, readReference(asked(ctx, 'reference')));
    if (below === 'deleted') return restoreTag(ctx, page);
    throw nothingHere();
  });
}

function placeOf(
  ctx: RequestContext,
  browse: Browse,
): { readonly page: RepositoryPage; readonly below: string | undefined } {
  const [name = '', below, ...more] = (ctx.params.rest ?? '').split('/-/');
  if (!isRepositoryName(name) || more.length > 0) throw nothingHere();
  return { page: { browse, repository: name }, below };
}

/** Parses a tag or a digest. Throws REFERENCE_INVALID. */
function readReference(text: string): Reference {
  if (isDigest(text)) return { digest: text };
  if (isTag(text)) return { tag: text };
  throw new RegistryError('REFERENCE_INVALID', 'this is neither a tag nor a digest');
}

function nothingHere(): RegistryError {
  return new RegistryError('ROUTE_UNKNOWN', 'there is no page at this address');
}
