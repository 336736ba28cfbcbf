import { setTimeout as delay } from 'node:timers/promises';

const MOST_MS = 120_000;

/** Makes the same checks again until they pass. Throws the last failure after two minutes. */
export async function untilPasses(check: () => Promise<void>): Promise<void> {
  for (const deadline = Date.now() + MOST_MS; ; ) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await delay(100);
  }
}
