/**
 * Maximum time that a test waits for one thing, ms: a condition, a line of output, an answer, the end of a program.
 * `test/architecture/long-waits.ts` holds the tests to it.
 */
export const LONGEST_WAIT = 120_000;

/** A longer wait, in milliseconds, for a real client that needs it. `why` says what takes so long. */
export function longerWait(ms: number, why: string): number {
  if (ms <= LONGEST_WAIT || why === '') throw new RangeError(`${ms} ms need no reason, or have none`);
  return ms;
}
