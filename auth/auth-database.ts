import type { Knex } from 'knex';
import { SettingInvalidError } from './errors.ts';

/** The database as auth/ uses it. Says nothing that only one kind of database understands. */
export interface AuthDatabase {
  /** For what only reads. */
  readonly read: Knex;
  /**
   * Runs `work` in one transaction, as if no other ran meanwhile, however many processes write; again from the start
   * when it had to give way, so `work` does nothing outside the database. Durable unless told otherwise.
   */
  write<Result>(
    work: (trx: Knex.Transaction) => Promise<Result>,
    options?: { readonly durable?: boolean },
  ): Promise<Result>;
}

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

/** Roles of a person or team, or of the public: each request of theirs is compared with all of them. */
export const MOST_ROLES = 1000;
/** Personal tokens or robots of a person or team. */
export const MOST_CREDENTIALS = 1000;
/** Rules of jobs, and identity providers, in all. */
export const MOST_RULES = 1000;

/** Throws SettingInvalidError with `advice` when a query finds as many rows as there may be. */
export async function refuseBeyond(query: Knex.QueryBuilder, most: number, advice: string): Promise<void> {
  const [row] = await query.count({ count: '*' });
  if (Number(row?.count ?? 0) >= most) throw new SettingInvalidError(`there are ${most} already: ${advice}`);
}
