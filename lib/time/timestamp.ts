/** What the Engine API says of a moment that has not come. */
export const NEVER = '0001-01-01T00:00:00Z';

/** RFC 3339 with nanoseconds, UTC. */
export function timestamp(date = new Date()): string {
  return date.toISOString().replace('Z', '000000Z');
}
