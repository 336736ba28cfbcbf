/** Seconds since 1970 for utimes(2) of Node, which takes a negative number for the present, but not a Date. */
export function fileTime(seconds: number): number | Date {
  return seconds < 0 ? new Date(seconds * 1000) : seconds;
}
