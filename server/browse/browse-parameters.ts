import { SettingInvalidError } from '../../auth/errors.ts';
import { isDigest } from '../../oci/digest.ts';
import { isTag } from '../../oci/reference.ts';
import type { SortKey, SortOrder } from '../../storage/catalog/browse/browse-catalog.ts';
import { unknownManifest } from '../../storage/errors.ts';
import { cursorAfter, limitParameter, rowPageOf } from '../api/page.ts';
import { oneOf, optional, text } from '../api/schema.ts';
import type { RequestContext } from '../request-context.ts';
import type { Reference } from './browse.ts';

/** Default number of entries of a page. */
export const USUAL_LIMIT = 50;
const LARGEST_LIMIT = 100;

/**
 * The name is one segment of the path, with its slashes written as %2F, like that of an app: otherwise what follows
 * could be part of a name, since a repository may be named `team/tags`.
 */
export const REPOSITORY_PARAMETER = {
  repository: 'Name of the repository, with %2F for its slashes',
} as const;
/** Like REPOSITORY_PARAMETER, and a manifest of the repository. */
export const REFERENCE_PARAMETER = { ...REPOSITORY_PARAMETER, reference: 'A tag or a digest' } as const;

/** Query of a list with pages. */
export const PAGE = {
  limit: limitParameter(USUAL_LIMIT, LARGEST_LIMIT),
  after: optional(text({ description: '`next` of the previous page' })),
} as const;

/** Query of a list with pages, an order and a search. */
export const LIST = {
  search: optional(
    text({ description: 'Only names that contain this text, ignoring the case of ASCII letters' }),
  ),
  order: optional(
    oneOf(['ascending', 'descending'], {
      description: 'By default names ascend; sizes and times descend',
    }),
  ),
  ...PAGE,
} as const;

/** Two images to compare. */
export const SIDES = {
  from: text({ description: 'A tag or a digest' }),
  to: text({ description: 'A tag or a digest' }),
  platform: optional(text({ description: 'Of indexes: such as linux/arm64' })),
} as const;

/** Errors of a route about a repository. */
export const NOT_THERE = { 404: 'There is no such repository, or the client may not see it' } as const;
/** Errors of a route about a manifest. */
export const NO_MANIFEST = {
  404: 'There is no such manifest, or the client may not see the repository',
} as const;

interface ListQuery {
  readonly search?: string;
  readonly order?: SortOrder;
  readonly limit?: number;
  readonly after?: string;
}

/** Throws SettingInvalidError for a cursor of another order. */
export function pageFrom({ limit = USUAL_LIMIT, after: cursor, search, order }: ListQuery, keyParts: number) {
  const { after } = rowPageOf({ limit, ...(cursor !== undefined && { after: cursor }) }, keyParts);
  return {
    limit,
    ...(search !== undefined && search !== '' && { search }),
    ...(order !== undefined && { order }),
    ...(after !== undefined && { after: keyOf(after) }),
  };
}

/** Returns the key of a cursor: the name comes last, after a number if there are two parts. */
function keyOf(parts: readonly string[]): SortKey {
  if (parts.length === 1) return parts;
  const [number = '', name = ''] = parts;
  if (/^\d{1,15}$/.test(number)) return [Number(number), name];
  throw new SettingInvalidError('"after" must be the "next" of the previous page');
}

/** Returns the `next` of an answer; null if nothing follows. */
export function cursorOf(key: SortKey | undefined): string | null {
  return cursorAfter(key?.map(String));
}

/** Parses a reference. An invalid one gets the answer of a missing manifest. */
export function referenceOf(repository: string, text: string): Reference {
  if (isDigest(text)) return { digest: text };
  if (isTag(text)) return { tag: text };
  throw unknownManifest(repository, { text });
}

/** Parses two references and a platform. Throws ManifestUnknownError. */
export function sidesOf(
  repository: string,
  { from, platform, to }: { readonly from: string; readonly to: string; readonly platform?: string },
) {
  return {
    from: referenceOf(repository, from),
    to: referenceOf(repository, to),
    ...(platform !== undefined && { platform }),
  };
}

/** Returns the origin of a request, for the audit. */
export function originOf({ state: { origin } }: RequestContext): { readonly address?: string } {
  return origin.remote === undefined ? {} : { address: origin.remote };
}
