import { SEARCH_SCOPE } from '../../auth/access/scope.ts';
import type { DescribedRepository } from '../../storage/catalog/catalog.ts';
import { RegistryError } from '../errors.ts';
import { answerJson } from '../http/answer.ts';
import type { RequestContext, RequestRouter } from '../request-context.ts';
import { authorize } from './authorize.ts';
import { queryOf } from './parameters.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';

/** Default and maximum number of results on a page, as on Docker Hub. */
const USUAL_RESULTS = 25;
const MOST_RESULTS = 100;
/** Maximum matches examined. */
const MOST_MATCHES = 10_000;
const AT_ONCE = 500;

/**
 * `docker search HOST/TERM` (Docker registry API, version 1: "Ping", "Search"). It finds repositories whose name or
 * description contains the term, among those that the client may pull from.
 */
export function addSearchRoutes(router: RequestRouter, dependencies: RegistryDependencies): void {
  const { access } = dependencies;

  // docker pings without credentials, and sends them to a standalone registry.
  const ping = (ctx: RequestContext) => {
    answerJson(ctx, 200, { standalone: true }, { 'X-Docker-Registry-Standalone': 'true' });
  };
  router.get('/v1/_ping', ping);

  router.get('/v1/search', async (ctx) => {
    authorize(ctx, access, SEARCH_SCOPE);
    const query = queryOf(ctx, 'q') ?? '';
    const size = Math.min(numberOf(ctx, 'n', USUAL_RESULTS), MOST_RESULTS);
    const page = numberOf(ctx, 'page', 1);
    const found = await search(ctx, dependencies, query);
    const shown = found.slice((page - 1) * size, page * size);
    answerJson(ctx, 200, {
      query,
      num_results: found.length,
      num_pages: Math.ceil(found.length / size),
      page,
      page_size: size,
      results: shown.map(resultOf),
    });
  });
}

/** Returns all visible matches, by name. */
async function search(
  ctx: RequestContext,
  { access, catalog }: RegistryDependencies,
  text: string,
): Promise<readonly DescribedRepository[]> {
  const visible = access.visible(ctx.state.identity);
  const found: DescribedRepository[] = [];
  let after: string | undefined;
  for (let matches = 0; matches < MOST_MATCHES; matches += AT_ONCE) {
    ctx.state.signal.throwIfAborted();
    const page = after === undefined ? { limit: AT_ONCE } : { limit: AT_ONCE, after };
    const repositories = await catalog.repositories.search(text, page);
    // The catalog yields to the event loop between pages.
    for (const repository of repositories) if (visible.includes(repository.name)) found.push(repository);
    if (repositories.length < AT_ONCE) break;
    after = repositories.at(-1)?.name;
  }
  return found;
}

function resultOf({ name, description = '' }: DescribedRepository) {
  return {
    name,
    description,
    star_count: 0,
    is_official: false,
    is_automated: false,
    is_trusted: false,
  };
}

/** Parses a positive integer. Throws PAGINATION_NUMBER_INVALID. */
function numberOf(ctx: RequestContext, name: string, usual: number): number {
  const text = queryOf(ctx, name);
  if (text === undefined) return usual;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (number < 1) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', `${name} must be a whole number of 1 or more`);
  }
  return number;
}
