import { setTimeout as delay } from 'node:timers/promises';
import { LONGEST_WAIT } from './longest-wait.ts';

/** Repeats `look` until it returns a value, and returns that. Throws after `timeoutMs`; `what` names what did not happen. */
export async function eventually<Result>(
  what: string,
  look: () => Promise<Result | undefined> | Result | undefined,
  timeoutMs = LONGEST_WAIT,
): Promise<Result> {
  for (const deadline = performance.now() + timeoutMs; ; await delay(20)) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
  }
}
