import type { Listed, SortKey } from '../../storage/catalog/browse/browse-catalog.ts';
import { RegistryError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import { asked } from './page-context.ts';

/** The query of a sorted list in an address. */
export interface ListQuery<Sort extends string> {
  readonly search: string;
  readonly sort: Sort;
  readonly after?: SortKey;
}

/** Reads `q`, `sort` and `after` of an address. Throws SETTING_INVALID. */
export function readListQuery<Sort extends string>(
  ctx: RequestContext,
  sorts: readonly Sort[],
  usual: Sort,
): ListQuery<Sort> {
  const sort = asked(ctx, 'sort');
  const after = asked(ctx, 'after');
  return {
    search: asked(ctx, 'q').slice(0, 255),
    sort: sorts.find((one) => one === sort) ?? usual,
    ...(after !== '' && { after: readKey(after) }),
  };
}

/** Returns the part of an address that continues a list; undefined at its end. */
export function afterOf({ next }: Listed<unknown>): string | undefined {
  return next && Buffer.from(JSON.stringify(next)).toString('base64url');
}

function readKey(text: string): SortKey {
  try {
    const key: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    const isPart = (part: unknown) =>
      (typeof part === 'string' && !part.includes('\0')) ||
      (typeof part === 'number' && Number.isFinite(part));
    if (Array.isArray(key) && key.length <= 4 && key.every(isPart)) return key;
  } catch {
    // It is not a valid cursor, as below.
  }
  throw new RegistryError('SETTING_INVALID', 'this address does not continue a list: open the list again');
}
