import type { Router } from '@koa/router';
import type { Image } from '../../images/image.ts';
import type { Images } from '../../images/images.ts';
import { asksBefore } from '../api-version.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { booleanFilter, type Filters, matchLabels, readFilters } from '../http/filters.ts';
import { globMatcher } from '../http/glob.ts';
import { queryBoolean } from '../http/query.ts';
import { untilFilter } from '../http/until-filter.ts';
import { createdMilliseconds, imageSummary, virtualSize } from '../views/image-summary.ts';
import { measureLayers } from './disk-usage.ts';

const KNOWN_FILTERS = ['before', 'dangling', 'label', 'reference', 'since', 'until'];

/** `GET /images/json`: the newest first (Engine API, ImageList). */
export function imageListRoutes(router: Router, deps: EngineDeps): void {
  router.get('/images/json', async (ctx) => {
    const filters = readFilters(ctx.URL.searchParams, KNOWN_FILTERS);
    const all = await deps.images.list();
    const isOld = asksBefore(ctx, '1.44');
    const selected = await select(all, filters, deps.images);
    const usage = queryBoolean(ctx.URL.searchParams, 'shared-size')
      ? await measureLayers(deps, all)
      : undefined;
    ctx.body = selected
      .sort((a, b) => createdMilliseconds(b) - createdMilliseconds(a))
      .flatMap((image) => {
        const names = shownNames(image, filters.get('reference'));
        if (names === undefined) return [];
        const shared = usage && { SharedSize: usage.shared(image) };
        return [{ ...imageSummary(image, names), ...virtualSize(image, isOld), ...shared }];
      });
  });
}

async function select(all: readonly Image[], filters: Filters, images: Images): Promise<Image[]> {
  const dangling = booleanFilter(filters, 'dangling');
  const moments = async (key: string) =>
    Promise.all((filters.get(key) ?? []).map(async (name) => createdMilliseconds(await images.get(name))));
  const before = await moments('before');
  const since = await moments('since');
  const until = untilFilter(filters, Date.now());
  return all.filter((image) => {
    const created = createdMilliseconds(image);
    return (
      (dangling === undefined || dangling === (image.repoTags.length === 0)) &&
      before.every((moment) => created < moment) &&
      since.every((moment) => created > moment) &&
      (until === undefined || created < until) &&
      matchLabels(filters.get('label'), image.config.Labels ?? {})
    );
  });
}

/** The names that a `reference` filter leaves of an image; undefined where it leaves none. */
function shownNames(image: Image, patterns: readonly string[] | undefined) {
  if (patterns === undefined) return image;
  const matchers = patterns.map(globMatcher);
  const matches = (reference: string) => {
    const name = reference.replace(/(@[^@]*|:[^/:]*)$/, '');
    return matchers.some((match) => match(reference) || match(name));
  };
  const repoTags = image.repoTags.filter(matches);
  const repoDigests = image.repoDigests.filter(matches);
  return repoTags.length + repoDigests.length === 0 ? undefined : { repoTags, repoDigests };
}
