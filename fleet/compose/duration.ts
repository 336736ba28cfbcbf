/** Milliseconds by unit. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 604_800_000],
]);
const PART = /(\d{1,15}(?:\.\d{1,9})?)(ns|us|µs|ms|s|m|h|d|w)/y;

/**
 * Parses a duration of Compose, such as `1m30s` or `1.5h`. Returns whole milliseconds, or undefined for any other text.
 */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  let total = 0;
  let position = 0;
  while (position < text.length) {
    PART.lastIndex = position;
    const part = PART.exec(text);
    if (part === null) return undefined;
    total += Number(part[1]) * (UNITS.get(part[2] ?? '') ?? 0);
    position = PART.lastIndex;
  }
  return text === '' ? undefined : Math.round(total);
}
