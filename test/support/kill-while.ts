import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess } from './agent-process.ts';
import { waitUntil } from './wait-until.ts';

/** Work that is over before anybody has looked is begun again so often. */
const ATTEMPTS = 30;

/** Stops an agent for good at a moment when `isAtIt` holds. */
export async function killWhile(
  agent: AgentProcess,
  what: string,
  isAtIt: () => Promise<boolean> | boolean,
): Promise<void> {
  await waitUntil(what, () => standsAt(agent, isAtIt));
  await agent.kill();
}

/**
 * As killWhile, for work that an agent may be done with before it is looked at: that is begun again then. Answers the error of the work that
 * the kill has cut off. Throws when work fails before, or is not cut off.
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

/** Lets it stand still while it is looked at, so that what is seen is not over by the time of a kill; it goes on unless it is at it. */
async function standsAt(agent: AgentProcess, isAtIt: () => Promise<boolean> | boolean): Promise<boolean> {
  const { pid } = agent.process();
  process.kill(pid, 'SIGSTOP');
  if (await isAtIt()) return true;
  process.kill(pid, 'SIGCONT');
  return false;
}
