import { setTimeout as delay } from 'node:timers/promises';
import { LONGEST_WAIT } from './longest-wait.ts';

/** Polls until the result is defined, and returns it. Throws after LONGEST_WAIT; `what` names the condition. */
export async function eventually<Result>(
  what: string,
  look: () => Promise<Result | undefined> | Result | undefined,
): Promise<Result> {
  for (const deadline = Date.now() + LONGEST_WAIT; Date.now() <= deadline; ) {
    const found = await look();
    if (found !== undefined) return found;
    await delay(25);
  }
  throw new Error(`within two minutes it did not come about that ${what}`);
}
