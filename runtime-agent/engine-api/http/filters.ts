import { isJsonObject, parseJson } from '../../../lib/json/json-fields.ts';
import { Expression, ExpressionError } from '../../../lib/pattern/expression.ts';
import type { Steps } from '../../../lib/pattern/steps.ts';
import { EngineError } from '../../errors.ts';

/** Maximum instructions of the compiled expressions of one filter. */
const MAX_EXPRESSIONS = 4000;

/** The values of each filter key; keys that the client did not send are absent. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/**
 * Reads `filters=` of a query: `{"key":{"value":true}}`, or `{"key":["value"]}` of older clients. Throws EngineError
 * 'bad-request' for malformed JSON and for keys that are not `known`; with `any` all keys are known.
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

/**
 * Reads a boolean filter; undefined if it is absent. Throws EngineError 'bad-request' when its values include neither
 * or both; other values are ignored, as with dockerd.
 */
export function booleanFilter(filters: Filters, key: string): boolean | undefined {
  const values = filters.get(key);
  if (values === undefined) return undefined;
  const isTrue = values.includes('true') || values.includes('1');
  const isFalse = values.includes('false') || values.includes('0');
  if (isTrue !== isFalse) return isTrue;
  throw new EngineError('bad-request', `invalid filter '${key}=[${values.join(' ')}]'`);
}

/** Reports whether `labels` match all wanted ones: each is `key` or `key=value`. */
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

/** Reports whether the values of a filter select a text. */
export type TextFilter = (text: string, steps: Steps) => boolean;

/**
 * Reads a filter of names or IDs as dockerd does: a value matches as a literal text, and as a regular expression in
 * Go's syntax; one that does not compile matches nothing. Undefined if the filter is absent. Throws EngineError
 * 'bad-request' for expressions that are too large.
 */
export function textFilter(filters: Filters, key: string): TextFilter | undefined {
  const values = filters.get(key);
  if (values === undefined) return undefined;
  const exact = new Set(values);
  const expressions: Expression[] = [];
  let size = 0;
  for (const value of exact) {
    try {
      const expression = new Expression(value);
      expressions.push(expression);
      size += expression.size;
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      size += error.size;
    }
    if (size > MAX_EXPRESSIONS) {
      throw new EngineError(
        'bad-request',
        `invalid filter '${key}': its regular expressions are too large together`,
      );
    }
  }
  return (text, steps) => exact.has(text) || expressions.some((expression) => expression.test(text, steps));
}
