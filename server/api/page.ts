import type { RowPage } from '../../auth/auth-database.ts';
import { SettingInvalidError } from '../../auth/errors.ts';
import { type Fields, list, nullable, object, optional, type Schema, text } from './schema.ts';

/** Default and maximum number of entries in one answer. */
const LARGEST_PAGE = 1000;
const LONGEST_CURSOR = 2000;

/** Declares the query parameter `limit`: a number from 1 to `largest`, `usual` by default. */
export function limitParameter(usual: number, largest: number) {
  const json = { type: 'integer', minimum: 1, maximum: largest, default: usual };
  const nouns = { noun: 'a number', plural: 'numbers' };
  return optional({
    ...nouns,
    json: { description: 'Maximum number', ...json },
    read: (value: unknown): number => {
      const limit = Number(value);
      if (/^\d{1,4}$/.test(String(value)) && limit >= 1 && limit <= largest) return limit;
      throw new SettingInvalidError(`"limit" must be a number from 1 to ${largest}`);
    },
  });
}

/** Query parameters of a route that returns a page of rows. */
export const PAGE = {
  limit: limitParameter(LARGEST_PAGE, LARGEST_PAGE),
  after: optional(text({ description: '`next` of the previous page' })),
} as const satisfies Fields;

/** Declares the answer of a route that returns a page of rows; `name` is the field of the entries. */
export function pageOf<const Name extends string, Entry>(name: Name, entry: Schema<Entry>) {
  return object({
    [name]: list(entry),
    next: nullable(text({ description: 'The `after` of the next page; null where this is the last' })),
  } as { readonly [Field in Name]: Schema<readonly Entry[]> } & { readonly next: Schema<string | null> });
}

/** Returns the page for these parameters, of a list whose key has this many parts. Throws SettingInvalidError. */
export function rowPageOf(
  { limit = LARGEST_PAGE, after: cursor }: { readonly limit?: number; readonly after?: string },
  keyParts: number,
): RowPage {
  if (cursor === undefined) return { limit };
  const after = keyOf(cursor);
  if (after?.length === keyParts) return { limit, after };
  throw new SettingInvalidError('"after" must be the "next" of the previous page');
}

/** Returns the `next` of an answer: the cursor after an entry; null at the end. */
export function cursorAfter(key: readonly string[] | undefined): string | null {
  return key === undefined ? null : Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** Returns the `next` of an answer; a page that is not full is the last one. */
export function nextOf<Entry>(
  entries: readonly Entry[],
  { limit }: RowPage,
  keyOfEntry: (entry: Entry) => readonly string[],
): string | null {
  const last = entries.length < limit ? undefined : entries.at(-1);
  return cursorAfter(last && keyOfEntry(last));
}

function keyOf(cursor: string): readonly string[] | undefined {
  if (cursor.length > LONGEST_CURSOR) return undefined;
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    // PostgreSQL accepts no text with a NUL.
    const isText = (part: unknown) => typeof part === 'string' && !part.includes('\0');
    return Array.isArray(key) && key.every(isText) ? key : undefined;
  } catch {
    return undefined;
  }
}
