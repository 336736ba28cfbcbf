const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Parses a duration such as `90s`, `30m`, `24h` or `7d` to milliseconds; undefined when it is invalid or over 10 years.
 */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (count === undefined || unit === undefined) return undefined;
  const milliseconds = Number(count) * (UNITS[unit] ?? Number.NaN);
  return milliseconds <= 3650 * 86_400_000 ? milliseconds : undefined;
}
