import { setTimeout as delay } from 'node:timers/promises';
import { LONGEST_WAIT } from './longest-wait.ts';

/** Milliseconds between two looks that cost nothing. */
const SHORTEST_PAUSE = 20;
/** Many looks start a command: without a longer pause they take the processor from what they wait for. */
const PAUSE_TO_LOOK = 2;

/** Repeats `look` until it returns a value, and returns that. Throws after `timeoutMs`; `what` names what did not happen. */
export async function eventually<Result>(
  what: string,
  look: () => Promise<Result | undefined> | Result | undefined,
  timeoutMs = LONGEST_WAIT,
): Promise<Result> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const began = performance.now();
    const found = await look();
    if (found !== undefined) return found;
    const now = performance.now();
    if (now > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await delay(Math.max(SHORTEST_PAUSE, PAUSE_TO_LOOK * (now - began)));
  }
}
