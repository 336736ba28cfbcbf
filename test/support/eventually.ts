import { setTimeout as delay } from 'node:timers/promises';

/** Asks until the answer is something, and answers it. Throws after 20 seconds; `what` says what did not come about. */
export async function eventually<Result>(
  what: string,
  look: () => Promise<Result | undefined> | Result | undefined,
): Promise<Result> {
  for (let attempt = 0; attempt < 800; attempt += 1) {
    const found = await look();
    if (found !== undefined) return found;
    await delay(25);
  }
  throw new Error(`within 20 seconds it did not come about that ${what}`);
}
