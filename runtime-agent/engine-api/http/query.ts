import { EngineError } from '../../errors.ts';

/** A boolean of a query string as Go's handlers read it: absent, empty, `0`, `no`, `false` and `none` are false. */
export function queryBoolean(query: URLSearchParams, name: string): boolean {
  const value = query.get(name)?.trim().toLowerCase() ?? '';
  return !['', '0', 'no', 'false', 'none'].includes(value);
}

/** An integer of a query string, undefined where it is absent or empty. Throws EngineError 'bad-request'. */
export function queryInteger(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^[+-]?\d{1,15}$/.test(text)) {
    throw new EngineError('bad-request', `${name} must be an integer, not "${text.slice(0, 80)}"`);
  }
  return Number(text);
}
