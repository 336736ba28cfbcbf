import { Expression, ExpressionError } from '../../../../lib/pattern/expression.ts';
import { EngineError } from '../../../errors.ts';
import type { CacheRecord } from '../../build-cache.ts';

/** Reports whether a record matches filters, of which one must match, each a list of conditions that must all match. */
export type UsageFilter = (record: CacheRecord) => boolean;

/**
 * Reads filters as `docker buildx du` and `prune` send them: `type==regular`, `id~=abc`, `inuse`, with commas between conditions. Throws
 * EngineError 'bad-request'.
 */
export function readUsageFilter(filters: readonly string[]): UsageFilter {
  const alternatives = filters.map((filter) => filter.split(',').filter(Boolean).map(readCondition));
  if (alternatives.length === 0) return () => true;
  return (record) => alternatives.some((conditions) => conditions.every((fits) => fits(record)));
}

function readCondition(text: string): UsageFilter {
  const [, name = '', operator, quoted = ''] = /^([a-z]+)(?:(==|!=|~=)(.*))?$/s.exec(text) ?? [];
  const field = FIELDS[name];
  if (field === undefined) {
    const known = Object.keys(FIELDS).join(', ');
    throw new EngineError('bad-request', `the filter "${text}" is not known: there are ${known}`);
  }
  const value = quoted.replace(/^"(.*)"$/s, '$1');
  switch (operator) {
    case '==':
      return (record) => field(record) === value;
    case '!=':
      return (record) => field(record) !== value;
    case '~=': {
      const pattern = readPattern(value);
      return (record) => pattern.test(field(record));
    }
    default:
      return (record) => field(record) !== '' && field(record) !== 'false';
  }
}

const FIELDS: Readonly<Record<string, (record: CacheRecord) => string>> = {
  id: ({ id }) => id,
  type: ({ type }) => type,
  description: ({ description }) => description,
  inuse: ({ inUse }) => String(inUse),
  shared: ({ shared }) => String(shared),
  private: ({ shared }) => String(!shared),
  mutable: ({ type }) => String(type !== 'regular'),
  immutable: ({ type }) => String(type === 'regular'),
};

function readPattern(text: string): Expression {
  try {
    return new Expression(text);
  } catch (cause) {
    if (!(cause instanceof ExpressionError)) throw cause;
    throw new EngineError(
      'bad-request',
      `"${text}" in a filter is not a regular expression: ${cause.message}`,
      { cause },
    );
  }
}
