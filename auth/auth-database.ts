import type { Knex } from 'knex';
import { SettingInvalidError } from './errors.ts';

/** The database of auth/. Only portable queries. */
export interface AuthDatabase {
  /** For reads outside transactions. */
  readonly read: Knex;
  /**
   * Runs `work` in one serializable transaction, however many processes write. It repeats `work` after a conflict, so
   * `work` has no side effects outside the database. Durable by default.
   */
  write<Result>(
    work: (trx: Knex.Transaction) => Promise<Result>,
    options?: { readonly durable?: boolean },
  ): Promise<Result>;
}

/** A page of a list. */
export interface RowPage {
  readonly limit: number;
  /** The key of the last entry of the previous page. */
  readonly after?: readonly string[];
}

/** Orders a query by a unique key, and limits it to a page, if there is one. */
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

/** Maximum roles of a person or team, or of the public: each of its requests checks all of them. */
export const MOST_ROLES = 1000;
/** Maximum personal tokens or robots of a person or team. */
export const MOST_CREDENTIALS = 1000;
/** Maximum job rules, and identity providers. */
export const MOST_RULES = 1000;

/** Throws SettingInvalidError with `advice` when a query finds the maximum number of rows. */
export async function refuseBeyond(query: Knex.QueryBuilder, most: number, advice: string): Promise<void> {
  const [row] = await query.count({ count: '*' });
  if (Number(row?.count ?? 0) >= most) throw new SettingInvalidError(`there are ${most} already: ${advice}`);
}
