import type { Router } from '@koa/router';
import { pruneImages } from '../../images/prune/prune-images.ts';
import type { ContainerFilesDeps, EngineDeps } from '../engine-deps.ts';
import { booleanFilter, matchLabels, readFilters } from '../http/filters.ts';
import { untilFilter } from '../http/until-filter.ts';
import { imageUsers } from './image-users.ts';

/** `docker image prune` (Engine API, ImagePrune). */
export function imagePruneRoutes(router: Router, deps: EngineDeps, files: ContainerFilesDeps): void {
  router.post('/images/prune', async (ctx) => {
    const filters = readFilters(ctx.URL.searchParams, ['dangling', 'label', 'label!', 'until']);
    const until = untilFilter(filters, Date.now());
    const unwanted = filters.get('label!') ?? [];
    const { removals, reclaimed } = await pruneImages(
      {
        images: deps.images,
        isPending: (id) => files.pendingImages.isPending(id),
        isKept: deps.keepsImage,
        layerSize: deps.layerSize,
      },
      {
        danglingOnly: booleanFilter(filters, 'dangling') ?? true,
        ...(until !== undefined && { until }),
        matches: (labels) =>
          matchLabels(filters.get('label'), labels) &&
          !unwanted.some((label) => matchLabels([label], labels)),
      },
      imageUsers(await deps.containers.list()),
    );
    deps.events.publish({
      type: 'image',
      action: 'prune',
      id: '',
      attributes: { reclaimed: `${reclaimed}` },
    });
    const deleted = removals.map((removal) =>
      'untagged' in removal ? { Untagged: removal.untagged } : { Deleted: removal.deleted },
    );
    ctx.body = { ImagesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed };
  });
}
