import { CATALOG_SCOPE } from '../../auth/access/scope.ts';
import { answerJson } from '../http/answer.ts';
import type { RequestRouter } from '../request-context.ts';
import { authorize } from './authorize.ts';
import { listVisible } from './list-visible.ts';
import { linkAfter, pageOf } from './paging.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';

/** `GET /v2/_catalog`, the names of all repositories that the client may pull from (Docker registry API, "Listing Repositories"). */
export function addCatalogRoutes(router: RequestRouter, { access, catalog }: RegistryDependencies): void {
  router.get('/v2/_catalog', async (ctx) => {
    authorize(ctx, access, CATALOG_SCOPE);
    const page = pageOf(ctx);
    const { names, more } =
      page.limit === 0
        ? EMPTY
        : await listVisible(catalog.repositories, access.visible(ctx.state.identity), page, ctx.state.signal);
    answerJson(
      ctx,
      200,
      { repositories: names },
      { Link: linkAfter(ctx, page, more ? names.at(-1) : undefined) },
    );
  });
}

const EMPTY = { names: [], more: false };
