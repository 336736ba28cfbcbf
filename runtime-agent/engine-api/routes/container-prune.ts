import type { Router } from '@koa/router';
import { isEngineError } from '../../errors.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { matchLabels, readFilters } from '../http/filters.ts';
import { untilFilter } from '../http/until-filter.ts';
import { isUp } from '../views/status-text.ts';

/** `POST /containers/prune`: removes containers that do not run (Engine API, ContainerPrune). */
export function containerPruneRoutes(router: Router, deps: EngineDeps): void {
  const { containers, files, events } = deps;
  router.post('/containers/prune', async (ctx) => {
    const filters = readFilters(ctx.URL.searchParams, ['label', 'label!', 'until']);
    const until = untilFilter(filters, Date.now());
    const unwanted = filters.get('label!') ?? [];
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const { id, state, createdAt, config } of await containers.list()) {
      if (isUp(state) || (until !== undefined && Date.parse(createdAt) > until)) continue;
      if (!matchLabels(filters.get('label'), config.Labels)) continue;
      if (unwanted.some((label) => matchLabels([label], config.Labels))) continue;
      try {
        const size = (await files?.trees.writtenSize(id, deps.stopping)) ?? 0;
        await containers.remove(id, { force: false, volumes: false });
        reclaimed += size;
        deleted.push(id);
      } catch (error) {
        // Another client has started or removed it meanwhile.
        if (!(isEngineError(error) && ['not-found', 'conflict'].includes(error.code))) throw error;
      }
    }
    events.publish({
      type: 'container',
      action: 'prune',
      id: '',
      attributes: { reclaimed: String(reclaimed) },
    });
    ctx.body = { ContainersDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed };
  });
}
