import type { Knex } from 'knex';
import { isPostgres } from '../rows.ts';

/**
 * SQL that differs between the databases. Lists are passed as one JSON text each: then a statement is the same for any
 * number of values, whose number databases limit.
 */
export interface JsonSql {
  /** A table `value`, `place` (from 0) from a JSON list of texts, the parameter. */
  readonly list: string;
  /** A table `low`, `high` from a JSON list of pairs of texts, the parameter. */
  readonly pairs: string;
  /** An aggregate: the texts of a group as a JSON list. */
  collect(column: string): string;
  /** Returns a condition that `column` matches the parameter, a LIKE pattern in lower case, ignoring case. */
  like(column: string): string;
}

const ON_SQLITE: JsonSql = {
  list: '(select value, key as place from json_each(?))',
  pairs: `(select value ->> 0 as low, value ->> 1 as high from json_each(?))`,
  collect: (column) => `json_group_array(${column})`,
  like: (column) => `${column} like ? escape '!'`,
};

const ON_POSTGRES: JsonSql = {
  list: '(select value, ordinality - 1 as place from json_array_elements_text(cast(? as json)) with ordinality)',
  pairs:
    '(select value ->> 0 as low, value ->> 1 as high from json_array_elements(cast(? as json)) as pair(value))',
  collect: (column) => `json_agg(${column})`,
  like: (column) => `lower(${column} collate "C") like ? escape '!'`,
};

export function jsonSql(knex: Knex): JsonSql {
  return isPostgres(knex) ? ON_POSTGRES : ON_SQLITE;
}

/** Returns the rows of a raw statement. */
export async function rowsOf<Row>(
  knex: Knex,
  sql: string,
  values: readonly (string | number)[],
): Promise<readonly Row[]> {
  const answer = await knex.raw(sql, [...values]);
  return isPostgres(knex) ? answer.rows : answer;
}

/** Parses the result of `collect`: text on SQLite, a list or null on PostgreSQL. */
export function collected(value: string | readonly string[] | null): readonly string[] {
  if (value === null) return [];
  return typeof value === 'string' ? JSON.parse(value) : value;
}

/** Returns the operand of `like` for a text at any position. */
export function anywhere(text: string): string {
  const lower = text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
  return `%${lower.replaceAll(/[!%_]/g, '!$&')}%`;
}
