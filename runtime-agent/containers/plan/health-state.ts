import type { Health, HealthLogEntry } from '../container.ts';
import type { ProbePlan } from './health.ts';

const LOG_LENGTH = 5;

/** The health of a container at the start of a run; what earlier runs were told stays in the log, as with dockerd. */
export function startingHealth(earlier: Health | undefined): Health {
  return { Status: 'starting', FailingStreak: 0, Log: earlier?.Log ?? [] };
}

/** The health of a container that is not probed any more: dockerd calls every one of these unhealthy. */
export function endedHealth(health: Health): Health {
  return { ...health, Status: 'unhealthy' };
}

/** The health after one more probe, which began when the run was `age` milliseconds old. */
export function afterProbe(health: Health, entry: HealthLogEntry, plan: ProbePlan, age: number): Health {
  const Log = [...health.Log, entry].slice(-LOG_LENGTH);
  if (entry.ExitCode === 0) return { Status: 'healthy', FailingStreak: 0, Log };
  const isEarly = health.Status === 'starting' && age < plan.startPeriod;
  const FailingStreak = health.FailingStreak + (isEarly ? 0 : 1);
  const fails = !isEarly && FailingStreak >= plan.retries;
  return { Status: fails ? 'unhealthy' : health.Status, FailingStreak, Log };
}

/** Milliseconds until the next probe of a run that is `age` milliseconds old. */
export function probeDelay(health: Health, plan: ProbePlan, age: number): number {
  const isEarly = health.Status === 'starting' && age < plan.startPeriod;
  return isEarly ? plan.startInterval : plan.interval;
}
