import { type Html, html } from '../markup/html.ts';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** Formats a number of bytes in decimal units, as docker does: `1.2 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Formats a whole number with thousands separators. */
export function formatCount(count: number): string {
  return new Intl.NumberFormat('en').format(count);
}

/** Formats a count: `1 tag`, `2 tags`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** Returns the first characters of a digest, without the algorithm. */
export function shortDigest(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, 12);
}

const SPANS = [
  { seconds: 365 * 86400, name: 'year' },
  { seconds: 30 * 86400, name: 'month' },
  { seconds: 86400, name: 'day' },
  { seconds: 3600, name: 'hour' },
  { seconds: 60, name: 'minute' },
] as const;

/** Formats a time for people, with the exact time as its tooltip; a dash for none. */
export function timeOf(at: Date | string | null | undefined, now = Date.now()): Html {
  const time = at === null || at === undefined ? undefined : new Date(at);
  if (time === undefined || Number.isNaN(time.getTime())) return html`<span class="soft">–</span>`;
  const exact = `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  return html`<time datetime="${time.toISOString()}" title="${exact}" class="nowrap">${distance(time.getTime() - now)}</time>`;
}

function distance(milliseconds: number): string {
  const seconds = Math.abs(milliseconds) / 1000;
  const span = SPANS.find((one) => seconds >= one.seconds);
  if (span === undefined) return milliseconds > 0 ? 'in a moment' : 'just now';
  const text = counted(Math.floor(seconds / span.seconds), span.name);
  return milliseconds > 0 ? `in ${text}` : `${text} ago`;
}
