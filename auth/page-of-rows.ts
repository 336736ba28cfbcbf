import type { Knex } from 'knex';

/** A page of a list. */
export interface RowPage {
  readonly limit: number;
  /** The key of the last entry of the page before. */
  readonly after?: readonly string[];
}

/** Orders a query by a unique key, and bounds it to a page; without one, to nothing. */
export function orderedBy<Row extends object, Result>(
  query: Knex.QueryBuilder<Row, Result>,
  key: readonly string[],
  page: RowPage | undefined,
): Knex.QueryBuilder<Row, Result> {
  query.orderBy([...key]);
  if (page === undefined) return query;
  const { after, limit } = page;
  if (after !== undefined) {
    const marks = (mark: string) => key.map(() => mark).join(', ');
    query.whereRaw(`(${marks('??')}) > (${marks('?')})`, [...key, ...after]);
  }
  return query.limit(limit);
}
