import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess } from './agent-process.ts';
import { waitUntil } from './wait-until.ts';

/** Maximum attempts to catch work before it is done. */
const ATTEMPTS = 30;

/** Kills an agent at a moment when `isAtIt` holds. */
export async function killWhile(
  agent: AgentProcess,
  what: string,
  isAtIt: () => Promise<boolean> | boolean,
): Promise<void> {
  await waitUntil(what, () => standsAt(agent, isAtIt));
  await agent.kill();
}

/**
 * As killWhile, for work that may be done before the check: it is then begun again. Resolves with the error of the work that
 * the kill cut off. Throws when the work fails before the kill, or is not cut off by it.
 */
export async function killDuring(
  agent: AgentProcess,
  what: string,
  begin: (attempt: number) => Promise<unknown>,
  isAtIt: () => Promise<boolean> | boolean,
): Promise<Error> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    let isOver = false;
    const ended = begin(attempt).then(
      () => undefined,
      (error: Error) => error,
    );
    const over = ended.then(() => {
      isOver = true;
    });
    let isCaught = false;
    while (!isCaught && !isOver) {
      isCaught = await standsAt(agent, isAtIt);
      if (!isCaught) await Promise.race([over, sleep(10)]);
    }
    if (isCaught) await agent.kill();
    const error = await ended;
    if (isCaught && error !== undefined) return error;
    if (isCaught || error !== undefined) throw error ?? new Error(`nothing was cut off while ${what}`);
  }
  throw new Error(`the work was over ${ATTEMPTS} times before it was seen that ${what}`);
}

/** Stops the agent (SIGSTOP) during the check, so that the state still holds at the kill; continues it if the check fails. */
async function standsAt(agent: AgentProcess, isAtIt: () => Promise<boolean> | boolean): Promise<boolean> {
  const { pid } = agent.process();
  process.kill(pid, 'SIGSTOP');
  if (await isAtIt()) return true;
  process.kill(pid, 'SIGCONT');
  return false;
}
