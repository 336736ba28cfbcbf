import { EngineError } from '../../errors.ts';
import type { ContainerConfig, Health, HealthConfig, HealthLogEntry } from '../container-info.ts';

/** The command and the schedule of a health check. Times are milliseconds. */
export interface ProbePlan {
  readonly command: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  /** Failures within this time after the start do not count. */
  readonly startPeriod: number;
  /** Milliseconds between probes during the start period, until one succeeds. */
  readonly startInterval: number;
  readonly retries: number;
}

const SECOND = 1_000_000_000;
const MILLISECOND = 1_000_000;
const DEFAULT = { interval: 30, timeout: 30, startPeriod: 0, startInterval: 5, retries: 3 };

/** Returns the schedule of a container's probes; undefined if it has no health check. */
export function probePlan(config: Pick<ContainerConfig, 'Healthcheck' | 'Shell'>): ProbePlan | undefined {
  const { Healthcheck: check, Shell: shell = ['/bin/sh', '-c'] } = config;
  const [kind, ...words] = check?.Test ?? [];
  // As in dockerd: another kind is no check, and one without a command fails at its first probe.
  if (check === undefined || (kind !== 'CMD' && kind !== 'CMD-SHELL')) return undefined;
  const milliseconds = (value: number | undefined, seconds: number) =>
    (value || seconds * SECOND) / MILLISECOND;
  return {
    command: kind === 'CMD' ? words : [...shell, words.join(' ')],
    interval: milliseconds(check.Interval, DEFAULT.interval),
    timeout: milliseconds(check.Timeout, DEFAULT.timeout),
    startPeriod: milliseconds(check.StartPeriod, DEFAULT.startPeriod),
    startInterval: milliseconds(check.StartInterval, DEFAULT.startInterval),
    retries: check.Retries || DEFAULT.retries,
  };
}

/** Throws EngineError 'bad-request'. */
export function validateHealthcheck(check: HealthConfig | undefined): void {
  if (check === undefined) return;
  for (const name of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const value = check[name] ?? 0;
    if (value !== 0 && value < MILLISECOND) refuse(`${name} in Healthcheck cannot be less than 1ms`);
  }
  if ((check.Retries ?? 0) < 0) refuse('Retries in Healthcheck cannot be negative');
}

/** Merges a container's health check with its image's. */
export function mergeHealthcheck(
  own: HealthConfig | undefined,
  image: Readonly<Record<string, unknown>> | undefined,
): HealthConfig | undefined {
  const inherited = image === undefined ? undefined : readHealthcheck(image);
  if (own === undefined || inherited === undefined) return own ?? inherited;
  return { ...inherited, ...withoutEmpty(own) };
}

/** Reads an image's health check. Invalid values count as absent. */
function readHealthcheck(image: Readonly<Record<string, unknown>>): HealthConfig {
  const test = Array.isArray(image.Test) && image.Test.every((word) => typeof word === 'string');
  const numbers = ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'].filter((name) => {
    const value = Number.isSafeInteger(image[name]) ? Number(image[name]) : 0;
    // A value below the minimum for clients would probe without a pause.
    return value >= (name === 'Retries' ? 0 : MILLISECOND);
  });
  return withoutEmpty({
    ...(test ? { Test: image.Test as readonly string[] } : {}),
    ...Object.fromEntries(numbers.map((name) => [name, image[name]])),
  });
}

/** Returns a health check without fields that are 0 or empty, as dockerd shows it. */
export function withoutEmpty(check: HealthConfig): HealthConfig {
  return Object.fromEntries(
    Object.entries(check).filter(([, value]) => (Array.isArray(value) ? value.length > 0 : value !== 0)),
  );
}

function refuse(message: string): never {
  throw new EngineError('bad-request', message);
}

const LOG_LENGTH = 5;

/** Returns the health at the start of a run; the log of earlier runs is kept, as in dockerd. */
export function startingHealth(earlier: Health | undefined): Health {
  return { Status: 'starting', FailingStreak: 0, Log: earlier?.Log ?? [] };
}

/** Returns the health of an exited container: unhealthy, as in dockerd. */
export function endedHealth(health: Health): Health {
  return { ...health, Status: 'unhealthy' };
}

/** Returns the health after a probe that began `age` milliseconds after the start. */
export function afterProbe(health: Health, entry: HealthLogEntry, plan: ProbePlan, age: number): Health {
  const Log = [...health.Log, entry].slice(-LOG_LENGTH);
  if (entry.ExitCode === 0) return { Status: 'healthy', FailingStreak: 0, Log };
  const isEarly = health.Status === 'starting' && age < plan.startPeriod;
  const FailingStreak = health.FailingStreak + (isEarly ? 0 : 1);
  const fails = !isEarly && FailingStreak >= plan.retries;
  return { Status: fails ? 'unhealthy' : health.Status, FailingStreak, Log };
}

/** Returns the milliseconds until the next probe, `age` milliseconds after the start. */
export function probeDelay(health: Health, plan: ProbePlan, age: number): number {
  const isEarly = health.Status === 'starting' && age < plan.startPeriod;
  return isEarly ? plan.startInterval : plan.interval;
}
