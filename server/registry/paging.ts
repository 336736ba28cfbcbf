import type { Page } from '../../storage/catalog/catalog.ts';
import { RegistryError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import { queryOf } from './parameters.ts';

/** Default and maximum number of names in one answer. */
const MOST_NAMES = 1000;

/**
 * Parses the page of `n` and `last` (distribution-spec, "Listing Tags"). Throws PAGINATION_NUMBER_INVALID when `n` is
 * not a non-negative integer.
 */
export function pageOf(ctx: RequestContext): Page {
  const after = queryOf(ctx, 'last');
  const limit = limitOf(queryOf(ctx, 'n') || undefined);
  return after === undefined || after === '' ? { limit } : { limit, after };
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return MOST_NAMES;
  if (!/^\d+$/.test(text)) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', 'n must be a whole number of 0 or more', {
      detail: { n: text.slice(0, 80) },
    });
  }
  return Math.min(Number(text), MOST_NAMES);
}

/** Returns the Link header after a page that ends with `last`; undefined when nothing follows. */
export function linkAfter(ctx: RequestContext, page: Page, last: string | undefined): string | undefined {
  return last === undefined ? undefined : nextLink(ctx.path, { n: String(page.limit), last });
}

/** Returns the value of a Link header for the next page (RFC 8288): a path on this host and its query. */
export function nextLink(path: string, query: Readonly<Record<string, string>>): string {
  return `<${path}?${new URLSearchParams(query)}>; rel="next"`;
}
