import type { RowPage } from '../../auth/auth-database.ts';
import { SettingInvalidError } from '../../auth/errors.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestContext } from '../request-context.ts';

/** Entries in one answer when the client names no number, and the most that it gets. */
const LARGEST_PAGE = 1000;
const LONGEST_CURSOR = 2000;

/**
 * The page that `limit` and `after` ask for, of a list whose key has so many parts. Throws SettingInvalidError.
 */
export function rowPageOf(ctx: RequestContext, keyParts: number): RowPage {
  const limit = limitOf(queryOf(ctx, 'limit'));
  const cursor = queryOf(ctx, 'after');
  if (cursor === undefined) return { limit };
  const after = keyOf(cursor);
  if (after?.length === keyParts) return { limit, after };
  throw new SettingInvalidError('"after" must be the "next" of the page before');
}

/** The `next` of an answer: where the page after an entry begins; null where nothing follows. */
export function cursorAfter(key: readonly string[] | undefined): string | null {
  return key === undefined ? null : Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** The `next` after the entries of a page, which is the last one when it is not full. */
export function nextOf<Entry>(
  entries: readonly Entry[],
  { limit }: RowPage,
  keyOfEntry: (entry: Entry) => readonly string[],
): string | null {
  const last = entries.length < limit ? undefined : entries.at(-1);
  return cursorAfter(last && keyOfEntry(last));
}

function limitOf(text: string | undefined): number {
  const limit = Number(text ?? LARGEST_PAGE);
  if (/^\d{1,4}$/.test(text ?? '1') && limit >= 1 && limit <= LARGEST_PAGE) return limit;
  throw new SettingInvalidError(`"limit" must be a number from 1 to ${LARGEST_PAGE}`);
}

function keyOf(cursor: string): readonly string[] | undefined {
  if (cursor.length > LONGEST_CURSOR) return undefined;
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    // PostgreSQL takes no text with a NUL.
    const isText = (part: unknown) => typeof part === 'string' && !part.includes('\0');
    return Array.isArray(key) && key.every(isText) ? key : undefined;
  } catch {
    return undefined;
  }
}
