import { EngineError } from '../../errors.ts';

/**
 * A moment of a query (`since`, `until`): seconds since 1970 with an optional fraction, or RFC 3339.
 * Milliseconds since 1970; undefined where it is absent, empty or 0. Throws EngineError 'bad-request'.
 */
export function decodeTimestamp(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '' || text === '0') return undefined;
  if (/^-?\d{1,15}(\.\d{1,9})?$/.test(text)) return Number(text) * 1000;
  const parsed = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(parsed)) {
    throw new EngineError(
      'bad-request',
      `${name} must be seconds since 1970 or an RFC 3339 time, not "${text.slice(0, 80)}"`,
    );
  }
  // Date knows milliseconds, and clients send nanoseconds.
  const rest = /\.\d{3}(\d{1,6})/.exec(text)?.[1] ?? '0';
  return parsed + Number(`0.${rest}`);
}
