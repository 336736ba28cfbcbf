import { eventually } from './eventually.ts';

/** Repeats the same checks until they pass, and returns their result. Throws the last failure after LONGEST_WAIT. */
export async function untilPasses<Result>(check: () => Promise<Result>): Promise<Result> {
  let last: unknown;
  const attempt = async () => {
    try {
      return { result: await check() };
    } catch (error) {
      last = error;
      return undefined;
    }
  };
  const passed = await eventually('the checks passed', attempt).catch(() => {
    throw last;
  });
  return passed.result;
}
