import { setTimeout as delay } from 'node:timers/promises';
import { LONGEST_WAIT } from './longest-wait.ts';

/** Makes the same checks again until they pass, and returns what they return. Throws the last failure after LONGEST_WAIT. */
export async function untilPasses<Result>(check: () => Promise<Result>): Promise<Result> {
  for (const deadline = Date.now() + LONGEST_WAIT; ; ) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await delay(100);
  }
}
