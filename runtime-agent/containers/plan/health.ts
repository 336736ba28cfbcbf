import { EngineError } from '../../errors.ts';
import type { ContainerConfig, Health, HealthConfig, HealthLogEntry } from '../container.ts';

/** When a container is probed, and by which command. Times are milliseconds. */
export interface ProbePlan {
  readonly command: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  /** Failures this soon after the start do not count. */
  readonly startPeriod: number;
  /** Between probes during the start period, until the first that succeeds. */
  readonly startInterval: number;
  readonly retries: number;
}

const SECOND = 1_000_000_000;
const MILLISECOND = 1_000_000;
const DEFAULT = { interval: 30, timeout: 30, startPeriod: 0, startInterval: 5, retries: 3 };

/** The probes of a container; undefined where it has no health check. */
export function probePlan(config: Pick<ContainerConfig, 'Healthcheck' | 'Shell'>): ProbePlan | undefined {
  const { Healthcheck: check, Shell: shell = ['/bin/sh', '-c'] } = config;
  const [kind, ...words] = check?.Test ?? [];
  // As dockerd: what is neither is no check, and one without a command fails at its first probe.
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

/** What the container says of its health check, and the image where it does not. */
export function mergeHealthcheck(
  own: HealthConfig | undefined,
  image: Readonly<Record<string, unknown>> | undefined,
): HealthConfig | undefined {
  const inherited = image === undefined ? undefined : readHealthcheck(image);
  if (own === undefined || inherited === undefined) return own ?? inherited;
  return { ...inherited, ...withoutEmpty(own) };
}

/** An image's health check. A value that is not valid is as if it were not there. */
function readHealthcheck(image: Readonly<Record<string, unknown>>): HealthConfig {
  const test = Array.isArray(image.Test) && image.Test.every((word) => typeof word === 'string');
  const numbers = ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'].filter((name) => {
    const value = Number.isSafeInteger(image[name]) ? Number(image[name]) : 0;
    // A shorter time than a client may ask for would have the container probed without a pause.
    return value >= (name === 'Retries' ? 0 : MILLISECOND);
  });
  return withoutEmpty({
    ...(test ? { Test: image.Test as readonly string[] } : {}),
    ...Object.fromEntries(numbers.map((name) => [name, image[name]])),
  });
}

/** Without what is 0 or empty, as dockerd shows it. */
export function withoutEmpty(check: HealthConfig): HealthConfig {
  return Object.fromEntries(
    Object.entries(check).filter(([, value]) => (Array.isArray(value) ? value.length > 0 : value !== 0)),
  );
}

function refuse(message: string): never {
  throw new EngineError('bad-request', message);
}

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
