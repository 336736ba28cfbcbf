import { setTimeout as delay } from 'node:timers/promises';

const MOST_MS = 600_000;

/** Asks until the answer is something, and answers it. Throws after ten minutes; `what` says what did not come about. */
export async function eventually<Result>(
  what: string,
  look: () => Promise<Result | undefined> | Result | undefined,
): Promise<Result> {
  for (const deadline = Date.now() + MOST_MS; Date.now() <= deadline; ) {
    const found = await look();
    if (found !== undefined) return found;
    await delay(25);
  }
  throw new Error(`within ten minutes it did not come about that ${what}`);
}
