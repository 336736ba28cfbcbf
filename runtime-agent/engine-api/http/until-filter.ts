import { EngineError } from '../../errors.ts';
import type { Filters } from './filters.ts';

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/**
 * Returns the moment of a filter `until`, in milliseconds since 1970: RFC 3339, seconds since 1970, or a Go duration
 * before `now` such as `1h30m`. Undefined if it is absent. Throws EngineError 'bad-request'.
 */
export function untilFilter(filters: Filters, now: number): number | undefined {
  const [text, ...more] = filters.get('until') ?? [];
  if (text === undefined) return undefined;
  if (more.length > 0) throw new EngineError('bad-request', 'more than one until filter specified');
  return readMoment(text, now);
}

/** Like untilFilter, but accepts several values and uses the earliest. */
export function earliestUntil(filters: Filters, now: number): number | undefined {
  const moments = (filters.get('until') ?? []).map((text) => readMoment(text, now));
  return moments.length === 0 ? undefined : Math.min(...moments);
}

function readMoment(text: string, now: number): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/gy)];
  if (parts.length > 0 && parts.map(([part]) => part).join('') === text) {
    return now - parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? ''] ?? 0), 0);
  }
  const moment = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(moment)) {
    throw new EngineError(
      'bad-request',
      `failed to parse value as time or duration: ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
  return moment;
}
