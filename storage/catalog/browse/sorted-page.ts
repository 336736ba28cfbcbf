import type { Listed, SortKey, SortOrder } from './browse-catalog.ts';

/** The order of a list as SQL. */
export interface OrderSql {
  /** SQL condition for entries after the key; '' without a key. */
  readonly condition: string;
  readonly values: readonly (string | number)[];
  readonly order: string;
}

/** Returns SQL for an order by the columns of an index, the name last, in either direction. */
export function orderSql(columns: readonly string[], order: SortOrder, after: SortKey | undefined): OrderSql {
  const direction = order === 'ascending' ? 'asc' : 'desc';
  const comes = order === 'ascending' ? '>' : '<';
  return {
    condition:
      after === undefined
        ? ''
        : `and (${columns.join(', ')}) ${comes} (${columns.map(() => '?').join(', ')})`,
    values: after ?? [],
    order: columns.map((column) => `${column} ${direction}`).join(', '),
  };
}

/** Makes a page of `limit` entries from a query for one more row. */
export function pageOfRows<Row, Entry>(
  rows: readonly Row[],
  limit: number,
  entryOf: (row: Row) => Entry,
  keyOf: (row: Row) => SortKey,
): Listed<Entry> {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  return { entries: shown.map(entryOf), ...(last !== undefined && { next: keyOf(last) }) };
}

/** Returns the time of a column; undefined for 0 and null. */
export function dateOf(milliseconds: number | string | null): Date | undefined {
  const time = Number(milliseconds ?? 0);
  return time === 0 ? undefined : new Date(time);
}
