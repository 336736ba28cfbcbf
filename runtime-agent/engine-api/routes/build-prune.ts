import type { Router } from '@koa/router';
import type { BuildCache, CacheRecord } from '../../builder/build-cache.ts';
import { EngineError } from '../../errors.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { requestSignal } from '../http/connection-end.ts';
import { readFilters } from '../http/filters.ts';
import { queryBoolean, queryInteger } from '../http/query.ts';
import { untilFilter } from '../http/until-filter.ts';

const FILTERS = [
  'until',
  'unused-for',
  'id',
  'parent',
  'type',
  'description',
  'inuse',
  'shared',
  'private',
  'label',
  'label!',
];

/** `POST /build/prune` (Engine API, BuildPrune). */
export function buildPruneRoutes(router: Router, deps: EngineDeps, cache: BuildCache): void {
  router.post('/build/prune', async (ctx) => {
    const query = ctx.URL.searchParams;
    const filters = readFilters(query, FILTERS);
    if (filters.has('parent'))
      throw new EngineError('not-implemented', "the filter 'parent' is not supported");
    const times = [...(filters.get('until') ?? []), ...(filters.get('unused-for') ?? [])];
    if (times.length > 1) {
      throw new EngineError('bad-request', 'failed to prune build cache: filters expect only one value');
    }
    const until = times.length === 0 ? undefined : untilFilter(new Map([['until', times]]), Date.now());
    const keep = queryInteger(query, 'reserved-space') ?? queryInteger(query, 'keep-storage') ?? 0;
    const removed = await cache.prune(
      {
        all: queryBoolean(query, 'all'),
        ...(until === undefined ? {} : { usedBefore: new Date(until) }),
        keepBytes: Math.max(0, keep),
        matches: matcher(filters),
      },
      requestSignal(ctx.res, deps.stopping),
    );
    ctx.body = {
      CachesDeleted: removed.length === 0 ? null : removed.map(({ id }) => id),
      SpaceReclaimed: removed.reduce((sum, { size, shared }) => sum + (shared ? 0 : size), 0),
    };
  });
}

function matcher(filters: ReadonlyMap<string, readonly string[]>): (record: CacheRecord) => boolean {
  const among = (name: string, test: (value: string) => boolean) => filters.get(name)?.some(test) ?? true;
  return (record) =>
    // `docker system prune` passes its filters to all prunes, and build records have no labels.
    !filters.has('label') &&
    among('id', (id) => record.id.startsWith(id)) &&
    among('type', (type) => record.type === type) &&
    among('description', (text) => record.description.includes(text)) &&
    among('inuse', (value) => record.inUse === (value !== 'false')) &&
    among('shared', (value) => record.shared === (value !== 'false')) &&
    among('private', (value) => !record.shared === (value !== 'false'));
}
