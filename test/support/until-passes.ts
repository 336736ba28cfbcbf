import { setTimeout as delay } from 'node:timers/promises';
import { LONGEST_WAIT } from './longest-wait.ts';

/** Makes the same checks again until they pass. Throws the last failure after LONGEST_WAIT. */
export async function untilPasses(check: () => Promise<void>): Promise<void> {
  for (const deadline = Date.now() + LONGEST_WAIT; ; ) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await delay(100);
  }
}
