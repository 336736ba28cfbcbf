import type { Router } from '@koa/router';
import { readReference } from '../../../oci/distribution/errors.ts';
import { familiarName, isTag } from '../../../oci/reference.ts';
import { EngineError } from '../../errors.ts';
import { asksBefore } from '../api-version.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { pathName, queryBoolean } from '../http/query.ts';
import { imageHistory, imageInspect, ORIGIN } from '../views/image-inspect.ts';
import { virtualSize } from '../views/image-summary.ts';
import { imageUsers } from './image-users.ts';

/** Inspect, history, tag and removal of one image (Engine API, "Images"). */
export function imageRoutes(router: Router, deps: EngineDeps): void {
  const { images } = deps;

  router.get(/^\/images\/(.+)\/json$/, async (ctx) => {
    const image = await images.get(pathName(ctx.captures));
    ctx.body = {
      ...imageInspect(image, deps.host.storageDriver),
      ...virtualSize(image, asksBefore(ctx, '1.44')),
      ...(asksBefore(ctx, '1.45') ? ORIGIN : {}),
    };
  });

  router.get(/^\/images\/(.+)\/history$/, async (ctx) => {
    const image = await images.get(pathName(ctx.captures));
    ctx.body = imageHistory(image, await Promise.all(image.diffIds.map(deps.layerSize)));
  });

  router.post(/^\/images\/(.+)\/tag$/, async (ctx) => {
    const repository = ctx.URL.searchParams.get('repo') ?? '';
    if (repository === '')
      throw new EngineError('bad-request', 'repo is empty: name what to tag the image as');
    const tag = ctx.URL.searchParams.get('tag') ?? '';
    if (tag !== '' && !isTag(tag)) throw new EngineError('bad-request', 'invalid tag format');
    // An explicit tag replaces the one in the repository.
    const name = tag === '' ? repository : `${familiarName(readReference(repository))}:${tag}`;
    await images.tag(pathName(ctx.captures), name);
    ctx.status = 201;
    ctx.body = '';
  });

  router.delete(/^\/images\/(.+)$/, async (ctx) => {
    const users = imageUsers(await deps.containers.list());
    const force = queryBoolean(ctx.URL.searchParams, 'force');
    const removals = await images.remove(pathName(ctx.captures), { force, users });
    ctx.body = removals.map((removal) =>
      'untagged' in removal ? { Untagged: removal.untagged } : { Deleted: removal.deleted },
    );
  });
}
