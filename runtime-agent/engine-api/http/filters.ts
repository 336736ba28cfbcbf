import { isJsonObject, parseJson } from '../../../lib/json/json-fields.ts';
import { EngineError } from '../../errors.ts';

/** The values of each filter key; a key that was not given is absent. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/**
 * Reads `filters=` of a query: `{"key":{"value":true}}`, or `{"key":["value"]}` of older clients. Throws
 * EngineError 'bad-request' for malformed JSON and for keys that are not `known`; all are where that is `any`.
 */
export function readFilters(query: URLSearchParams, known: readonly string[] | 'any'): Filters {
  const text = query.get('filters');
  const filters = new Map<string, readonly string[]>();
  if (text === null || text === '') return filters;
  const value = parseJson(text, 'invalid filter') ?? {};
  if (!isJsonObject(value)) throw new EngineError('bad-request', 'invalid filter: expected a JSON object');
  for (const [key, field] of Object.entries(value)) {
    if (known !== 'any' && !known.includes(key))
      throw new EngineError('bad-request', `invalid filter '${key}'`);
    const values = filterValues(field ?? {});
    if (values === undefined || !values.every((item) => typeof item === 'string')) {
      throw new EngineError('bad-request', `invalid filter '${key}': expected its values as strings`);
    }
    if (values.length > 0) filters.set(key, values);
  }
  return filters;
}

function filterValues(field: unknown): readonly unknown[] | undefined {
  if (Array.isArray(field)) return field;
  return isJsonObject(field) ? Object.keys(field).filter((name) => field[name] === true) : undefined;
}

/** A filter that takes true or false; undefined where it was not given. Throws EngineError 'bad-request'. */
export function booleanFilter(filters: Filters, key: string): boolean | undefined {
  const value = filters.get(key)?.[0];
  if (value === undefined) return undefined;
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw new EngineError('bad-request', `invalid filter '${key}=[${value}]'`);
}

/** Whether `labels` has all that is wanted: each is `key` or `key=value`. */
export function matchLabels(
  wanted: readonly string[] | undefined,
  labels: Readonly<Record<string, string>>,
): boolean {
  return (wanted ?? []).every((label) => {
    const equals = label.indexOf('=');
    if (equals < 0) return Object.hasOwn(labels, label);
    const key = label.slice(0, equals);
    return Object.hasOwn(labels, key) && labels[key] === label.slice(equals + 1);
  });
}

/** dockerd takes filters of names and IDs as regular expressions; one that does not compile is searched for as text. */
export function matchesPattern(text: string, pattern: string): boolean {
  if (pattern.length > 256) return false;
  try {
    return new RegExp(pattern).test(text);
  } catch {
    return text.includes(pattern);
  }
}
