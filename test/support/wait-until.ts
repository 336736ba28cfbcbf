import { eventually } from './eventually.ts';
import { LONGEST_WAIT } from './longest-wait.ts';

/** Repeats a check until it is true. Throws, naming `what`, when it is not within `timeoutMs`. */
export async function waitUntil(
  what: string,
  check: () => Promise<boolean> | boolean,
  timeoutMs = LONGEST_WAIT,
): Promise<void> {
  await eventually(what, async () => ((await check()) ? true : undefined), timeoutMs);
}
