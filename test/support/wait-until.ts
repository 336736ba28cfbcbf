import { setTimeout as sleep } from 'node:timers/promises';
import { LONGEST_WAIT } from './longest-wait.ts';

/** Polls every 20 ms until the result is true. Throws, naming `what`, when it is not true within `timeoutMs`. */
export async function waitUntil(
  what: string,
  check: () => Promise<boolean> | boolean,
  timeoutMs = LONGEST_WAIT,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await sleep(20);
  }
}
