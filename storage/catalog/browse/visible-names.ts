import type { Knex } from 'knex';
import { likePattern, matchesWildcard, wildcardPrefix } from '../../../lib/pattern/wildcard.ts';
import { Pace } from '../../../lib/sync/pace.ts';
import type { VisibleNames } from './browse-catalog.ts';
import type { JsonSql } from './json-sql.ts';

/** Maximum patterns with a star before the end that one statement compares with names. */
const MOST_COMPARED = 5;
/** Names per query. */
const WINDOW = 1000;
/** Cost of looking up the right to a name, in steps of Pace. */
const STEPS_OF_NAME = 20;

/** A condition on the column `s.name` of repository_stats, as SQL. */
export interface NameCondition {
  /** The WITH clause of the statement; '' for none. */
  readonly tables: string;
  readonly condition: string;
  readonly values: readonly string[];
}

const ALL_NAMES: NameCondition = { tables: '', condition: '', values: [] };

/** The names from `low` on and before `high`. */
type Range = readonly [low: string, high: string];

/** `~` sorts after every character of a name, and `!` before all. */
const AFTER_ALL = '~';
const BEFORE_ALL = '!';

/**
 * Returns SQL that excludes the names that a visitor may not see; undefined when they may see all. A statement with it
 * reads the names in the ranges of the patterns, by the index, rather than comparing all names with all patterns.
 */
export async function visibleSql(
  knex: Knex,
  sql: JsonSql,
  visible: VisibleNames,
): Promise<NameCondition | undefined> {
  const lists = visible.patterns.map(separate).filter((list) => list !== undefined);
  if (lists.some(({ ranges, compared }) => ranges.length + compared.length === 0)) return undefined;
  if (lists.length === 0) return ALL_NAMES;
  if (lists.every(({ compared }) => compared.length <= MOST_COMPARED)) return conditionOf(sql, lists);
  const names = await namesOf(knex, visible);
  if (names.length === 0) return undefined;
  return conditionOf(sql, [{ ranges: names.map(rangeOf), compared: [] }]);
}

interface Separated {
  /** Sorted ranges without overlaps. */
  readonly ranges: readonly Range[];
  readonly compared: readonly string[];
}

/** Returns undefined when the patterns match every name. */
function separate(patterns: readonly string[]): Separated | undefined {
  const isRange = (pattern: string) => !pattern.slice(0, -1).includes('*');
  const ranges: string[] = [];
  for (const pattern of patterns
    .filter(isRange)
    .toSorted((one, other) => (lowOf(one) < lowOf(other) ? -1 : 1))) {
    const before = ranges.at(-1);
    if (before === undefined || !matchesWildcard(before, pattern)) ranges.push(pattern);
  }
  if (ranges.includes('*')) return undefined;
  const compared = patterns.filter(
    (pattern) => !isRange(pattern) && !ranges.some((range) => matchesWildcard(range, pattern)),
  );
  return { ranges: ranges.map(rangeOf), compared };
}

/** Returns the start of a pattern's range; of patterns with the same prefix the widest sorts first. */
function lowOf(pattern: string): string {
  return pattern.endsWith('*') ? pattern.slice(0, -1) : `${pattern}${BEFORE_ALL}`;
}

function rangeOf(pattern: string): Range {
  if (!pattern.endsWith('*')) return [pattern, `${pattern}${BEFORE_ALL}`];
  const prefix = pattern.slice(0, -1);
  return [prefix, `${prefix}${AFTER_ALL}`];
}

function conditionOf({ pairs }: JsonSql, lists: readonly Separated[]): NameCondition {
  const tables = lists.map(
    (_, position) => `seen${position} (name) as (
      select n.name from ${pairs} p cross join repository_stats n where n.name >= p.low and n.name < p.high
      union
      select n.name from ${pairs} p cross join repository_stats n
        where n.name >= p.low and n.name < p.low || '${AFTER_ALL}' and n.name like p.high escape '!'
    )`,
  );
  const values = lists.flatMap(({ ranges, compared }) => [
    JSON.stringify(ranges),
    JSON.stringify(compared.map((pattern) => [wildcardPrefix(pattern), likePattern(pattern)])),
  ]);
  const condition = lists.map((_, position) => `and s.name in (select name from seen${position})`).join(' ');
  return { tables: `with ${tables.join(', ')}`, condition, values };
}

/** Returns all names that a visitor may see, read in pieces. */
async function namesOf(knex: Knex, visible: VisibleNames): Promise<readonly string[]> {
  const found: string[] = [];
  const pace = new Pace();
  for (let after = ''; ; ) {
    const names: readonly string[] = await knex('repository_stats')
      .where('name', '>', after)
      .orderBy('name')
      .limit(WINDOW)
      .pluck('name');
    found.push(...names.filter((name) => visible.includes(name)));
    await pace.after(STEPS_OF_NAME * names.length);
    const last = names.at(-1);
    if (last === undefined || names.length < WINDOW) return found;
    after = last;
  }
}
