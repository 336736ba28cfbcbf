/** The Engine API's timestamp for an event that has not happened. */
export const NEVER = '0001-01-01T00:00:00Z';

/** Formats RFC 3339 with nanoseconds, UTC. */
export function timestamp(date = new Date()): string {
  return date.toISOString().replace('Z', '000000Z');
}

/** Formats milliseconds as Go prints a duration: `1.5s`, `250ms`, `1m30s`. */
export function goDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds}ms`;
  const seconds = milliseconds / 1000;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = Number((seconds % 60).toFixed(9));
  if (hours > 0) return `${hours}h${minutes}m${rest}s`;
  return minutes > 0 ? `${minutes}m${rest}s` : `${rest}s`;
}
