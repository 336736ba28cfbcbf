import { setTimeout as delay } from 'node:timers/promises';

/** Makes the same checks again until they pass. Throws the last failure after 20 seconds. */
export async function untilPasses(check: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await check();
    } catch (error) {
      if (attempt === 200) throw error;
    }
    await delay(100);
  }
}
