import type { Router } from '@koa/router';
import { EngineError } from '../../errors.ts';
import { decodeRegistryAuth } from '../decode/registry-auth.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { requestSignal } from '../http/connection-end.ts';
import { booleanFilter, readFilters } from '../http/filters.ts';
import { pathName, queryInteger } from '../http/query.ts';

const USUAL_RESULTS = 25;
const MOST_RESULTS = 100;

/**
 * `docker search`, and the manifest of a reference in its registry (Engine API, ImageSearch and DistributionInspect).
 */
export function registryQueryRoutes(router: Router, deps: EngineDeps): void {
  router.get('/images/search', async (ctx) => {
    const query = ctx.URL.searchParams;
    const term = query.get('term') ?? '';
    if (term === '') throw new EngineError('bad-request', 'term is empty: say what to search for');
    const limit = queryInteger(query, 'limit') || USUAL_RESULTS;
    if (limit < 1 || limit > MOST_RESULTS) {
      throw new EngineError('bad-request', `limit ${limit} is outside the range of [1, ${MOST_RESULTS}]`);
    }
    const filters = readFilters(query, ['is-automated', 'is-official', 'stars']);
    const official = booleanFilter(filters, 'is-official');
    // Registries do not build images any more.
    const automated = booleanFilter(filters, 'is-automated') ?? false;
    const stars = Math.max(0, ...(filters.get('stars') ?? []).map(readStars));
    const credentials = decodeRegistryAuth(ctx.get('X-Registry-Auth'));
    const found = await deps.registryQueries.search(term, limit, {
      ...(credentials === undefined ? {} : { credentials }),
      signal: requestSignal(ctx.res, deps.stopping),
    });
    ctx.body = found
      .filter((one) => !automated && one.stars >= stars && (official ?? one.official) === one.official)
      .map((one) => ({
        star_count: one.stars,
        is_official: one.official,
        name: one.name,
        is_automated: false,
        description: one.description,
      }));
  });

  router.get(/^\/distribution\/(.+)\/json$/, async (ctx) => {
    const credentials = decodeRegistryAuth(ctx.get('X-Registry-Auth'));
    const { mediaType, digest, size, platforms } = await deps.registryQueries.describe(
      pathName(ctx.captures),
      {
        ...(credentials === undefined ? {} : { credentials }),
        signal: requestSignal(ctx.res, deps.stopping),
      },
    );
    ctx.body = { Descriptor: { mediaType, digest, size }, Platforms: platforms };
  });
}

function readStars(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new EngineError('bad-request', `invalid filter 'stars=${text.slice(0, 80)}': expected a number`);
}
