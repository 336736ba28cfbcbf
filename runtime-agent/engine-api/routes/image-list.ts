import type { Router } from '@koa/router';
import { Glob, PatternError } from '../../../lib/pattern/glob.ts';
import { Pace } from '../../../lib/sync/pace.ts';
import { EngineError } from '../../errors.ts';
import type { Image } from '../../images/image.ts';
import type { Images } from '../../images/images.ts';
import { asksBefore } from '../api-version.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { booleanFilter, type Filters, matchLabels, readFilters } from '../http/filters.ts';
import { answerJson, jsonList } from '../http/json.ts';
import { queryBoolean } from '../http/query.ts';
import { earliestUntil } from '../http/until-filter.ts';
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
    const pace = new Pace();
    const patterns = filters.get('reference')?.map(referencePattern);
    const sorted = selected.sort((a, b) => createdMilliseconds(b) - createdMilliseconds(a));
    async function* summaries(): AsyncGenerator<object> {
      for (const image of sorted) {
        const names = shownNames(image, patterns, pace);
        await pace.rest();
        if (names === undefined) continue;
        const shared = usage && { SharedSize: usage.shared(image) };
        yield { ...imageSummary(image, names), ...virtualSize(image, isOld), ...shared };
      }
    }
    await answerJson(ctx, jsonList(summaries()));
  });
}

async function select(all: readonly Image[], filters: Filters, images: Images): Promise<Image[]> {
  const dangling = booleanFilter(filters, 'dangling');
  const moments = async (key: string) =>
    Promise.all((filters.get(key) ?? []).map(async (name) => createdMilliseconds(await images.get(name))));
  const before = await moments('before');
  const since = await moments('since');
  const until = earliestUntil(filters, Date.now());
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

/** Returns the names of an image that match a `reference` filter; undefined if none does. */
function shownNames(image: Image, patterns: readonly Glob[] | undefined, pace: Pace) {
  if (patterns === undefined) return image;
  const matches = (reference: string) => {
    const name = reference.replace(/(@[^@]*|:[^/:]*)$/, '');
    return patterns.some((glob) => glob.matches(reference, pace) || glob.matches(name, pace));
  };
  const repoTags = image.repoTags.filter(matches);
  const repoDigests = image.repoDigests.filter(matches);
  return repoTags.length + repoDigests.length === 0 ? undefined : { repoTags, repoDigests };
}

function referencePattern(pattern: string): Glob {
  try {
    return new Glob(pattern, { doubleStars: false });
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new EngineError('bad-request', `invalid pattern "${pattern.slice(0, 80)}"`, { cause: error });
  }
}
